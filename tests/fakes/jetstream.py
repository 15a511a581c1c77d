"""A JetStream in memory, for tests of what stands above the port.

Passes the same contract suite as the Gateway on real servers and is compared with them, one
configuration after the other: tests/contract/test_jetstream_port.py. It is one server without
replication; what streams hold stands in `fakes.store`, how configurations are judged in
`fakes.configs`.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from coze_nats.core.errors import Failure, NotFound, Rejected, from_api_error
from coze_nats.core.live import Config, Listing, LiveConsumer, LiveStream, Origin, Raft, Server
from fakes import configs
from fakes.configs import Json
from fakes.store import StoredStream, overlap


class FakeJetStream:
    """One account of one server.

    Args:
        version: a released version; its API level decides what is known and how it behaves.
        knows: keys of configurations that a newer server than the operator knows.
        clock: the time in nanoseconds since 1970.
        max_storage: bytes of the account on disk; -1 is unlimited. `max_memory` likewise.

    Attributes:
        faults: raised by the next calls, one each, instead of doing what was asked.
        refusals: raised by every call of a method of that name.
        calls: the names of the methods called so far.
        origins: what a stream is said to copy from, by its name.
        rafts: how the replicas of a stream or consumer are said to be, by its name.
    """

    def __init__(
        self,
        version: str = "2.14.6",
        *,
        knows: frozenset[str] = frozenset(),
        clock: Callable[[], int] = time.time_ns,
        max_storage: int = -1,
        max_memory: int = -1,
    ) -> None:
        self.faults: deque[Failure] = deque()
        self.refusals: dict[str, Failure] = {}
        self.calls: list[str] = []
        self.origins: dict[str, tuple[Origin, ...]] = {}
        self.rafts: dict[str, Raft] = {}
        self.upgrade(version)
        self._knows = knows
        self._clock = clock
        self._limits = {"file": max_storage, "memory": max_memory}
        self._streams: dict[str, StoredStream] = {}
        self._creations = 0

    # --- what tests do behind the operator's back -------------------------------------------------

    def publish(self, stream: str, count: int = 1, subject: str = "", size: int = 100) -> None:
        """Store messages, on the stream's first subject unless another is given."""
        found = self._streams[stream]
        literal = subject or found.config["subjects"][0].replace("*", "x").replace(">", "x")
        for _ in range(count):
            found.publish(literal, size, self._clock())

    def deliver(self, stream: str, consumer: str, *acknowledged: bool) -> list[int]:
        """Deliver as many messages, each acknowledged or not; returns their sequences."""
        found = self._streams[stream]
        sequences = found.consumers[consumer].deliver(found.messages, acknowledged)
        found.keep_needed()
        return sequences

    def attach(self, stream: str, consumer: str, requests: int = 1) -> None:
        """Have a client wait for messages of a consumer; 0: it goes."""
        self._streams[stream].consumers[consumer].waiting = requests

    def upgrade(self, version: str) -> None:
        """Be a server of this released version from now on, with all that it has."""
        self._version = version
        self._level = configs.LEVELS[version.rpartition(".")[0]]

    def wipe(self) -> None:
        """Lose everything, as a server that comes back with an empty store."""
        self._streams.clear()

    # --- the port ---------------------------------------------------------------------------------

    async def server(self) -> Server:
        """See `coze_nats.ports.JetStream`, here and below."""
        self._called("server")
        return Server(self._version, self._level)

    async def account(self) -> Mapping[str, Any]:
        self._called("account")
        return {
            "reserved_storage": self._reserved("file"),
            "reserved_memory": self._reserved("memory"),
            "limits": {
                "max_storage": self._limits["file"],
                "max_memory": self._limits["memory"],
            },
        }

    async def stream(self, name: str) -> LiveStream | None:
        self._called("stream", name)
        return self._live(self._streams[name]) if name in self._streams else None

    async def streams(self) -> Listing[LiveStream]:
        self._called("streams")
        return Listing({name: _listed(self._live(each)) for name, each in self._streams.items()})

    async def streams_on(self, subject: str) -> tuple[str, ...]:
        self._called("streams_on")
        return tuple(sorted(self._overlapping([subject])))

    async def messages_on(self, stream: str, subject: str) -> Mapping[str, int]:
        self._called("messages_on", stream)
        return self._stream(stream).messages_on(subject)

    async def create_stream(self, config: Config) -> LiveStream:
        self._called("create_stream", config["name"])
        new = self._complete_stream(config)
        existing = self._streams.get(new["name"])
        if existing is not None:
            if _without_server_metadata(existing.config) != _without_server_metadata(new):
                raise from_api_error(10058, "stream name already in use with a different config")
            return self._live(existing)
        configs.judge_new_stream(new)
        self._refuse_overlap(new)
        self._reserve(new)
        made = self._streams[new["name"]] = StoredStream(new, self._now())
        made.last_sequence = max(new.get("first_seq", 0) - 1, 0)
        return self._live(made)

    async def update_stream(self, config: Config) -> LiveStream:
        self._called("update_stream", config["name"])
        found = self._stream(config["name"])
        new = configs.judge_stream_update(found.config, self._complete_stream(config), self._level)
        self._judge_consumers_under(found, new)
        self._refuse_overlap(new)
        self._reserve(new)
        old, found.config = found.config, new
        turns = old["retention"] != "interest" == new["retention"]
        if turns and (found.consumers or self._level >= 5):
            found.keep_needed()
        found.enforce(self._clock())
        return self._live(found)

    async def delete_stream(self, name: str) -> None:
        self._called("delete_stream", name)
        self._streams.pop(name, None)

    async def consumer(self, stream: str, name: str) -> LiveConsumer | None:
        self._called("consumer", stream, name)
        found = self._stream(stream)
        return self._live_consumer(found, name) if name in found.consumers else None

    async def consumers(self, stream: str) -> Listing[LiveConsumer]:
        self._called("consumers", stream)
        found = self._stream(stream)
        return Listing(
            {name: _listed(self._live_consumer(found, name)) for name in found.consumers}
        )

    async def create_consumer(self, stream: str, config: Config) -> LiveConsumer:
        self._called("create_consumer", stream)
        found = self._stream(stream)
        new = self._complete_consumer(config, found)
        existing = found.consumers.get(new["name"])
        if existing is not None:
            # A server alone leaves the pause as it is; a cluster takes it for a difference.
            pauses = {"pause_until": existing.config.get("pause_until")}
            asked = _without_server_metadata(new) | pauses
            if _without_server_metadata(existing.config) | pauses != asked:
                raise from_api_error(10148, "consumer already exists")
            return self._live_consumer(found, new["name"])
        configs.judge_new_consumer(new, found.config)
        if found.config["retention"] == "workqueue":
            found.refuse_rivals(new)
        if 0 < found.config["max_consumers"] <= len(found.consumers):
            raise from_api_error(10026, "maximum consumers limit reached")
        found.join(new, self._now())
        return self._live_consumer(found, new["name"])

    async def update_consumer(self, stream: str, config: Config) -> LiveConsumer:
        self._called("update_consumer", stream)
        found = self._stream(stream)
        existing = found.consumers.get(config.get("durable_name") or config["name"])
        if existing is None:
            raise from_api_error(10149, "consumer does not exist")
        # Pausing has its own request; an update can't do it.
        paused = {k: v for k, v in existing.config.items() if k == "pause_until"}
        rest = {k: v for k, v in config.items() if k != "pause_until"}
        new = self._complete_consumer({**rest, **paused}, found)
        configs.judge_consumer_update(existing.config, new, self._level)
        existing.config = new
        return self._live_consumer(found, new["name"])

    async def pause_consumer(self, stream: str, name: str, until: str | None) -> None:
        self._called("pause_consumer")
        if self._level < 1:
            raise Rejected(
                f"pausing a consumer needs nats-server 2.11; this one is {self._version}"
            )
        found = self._stream(stream)
        if name not in found.consumers:
            raise from_api_error(10014, "consumer not found")
        config = {**found.consumers[name].config, "pause_until": until}
        found.consumers[name].config = self._complete_consumer(config, found)

    async def delete_consumer(self, stream: str, name: str) -> None:
        self._called("delete_consumer", stream, name)
        if stream in self._streams:
            self._streams[stream].leave(name)

    # --- inside -----------------------------------------------------------------------------------

    def _called(self, name: str, *objects: str) -> None:
        """Note a call of a method, about objects of these names; raises its fault."""
        for each in objects:
            if not each or set(each) & set(" \t\r\n\f.*>"):
                raise Rejected(f"{each!r} is not a valid name: no spaces and none of . * >")
        self.calls.append(name)
        if self.faults:
            raise self.faults.popleft()
        if name in self.refusals:
            raise self.refusals[name]

    def _now(self) -> str:
        """The time, and never the same twice."""
        self._creations += 1
        return _rfc3339(self._clock() + self._creations)

    def _stream(self, name: str) -> StoredStream:
        if name not in self._streams:
            raise NotFound("stream not found", NotFound.STREAM)
        return self._streams[name]

    def _complete_stream(self, config: Config) -> Json:
        given = deepcopy(dict(config))
        new = configs.complete_stream(given, self._version, self._level, self._knows)
        origin = self._streams.get(new.get("mirror", {}).get("name", ""))
        if origin is not None and "external" not in new["mirror"]:
            new["mirror_direct"] = origin.config["allow_direct"]
        return new

    def _complete_consumer(self, config: Config, stream: StoredStream) -> Json:
        given = deepcopy(dict(config))
        return configs.complete_consumer(
            given, stream.config, self._version, self._level, self._knows
        )

    def _overlapping(self, subjects: list[str]) -> set[str]:
        return {
            name
            for name, found in self._streams.items()
            for mine in found.config.get("subjects", ())
            if any(overlap(mine.split("."), other.split(".")) for other in subjects)
        }

    def _refuse_overlap(self, config: Json) -> None:
        if self._overlapping(config.get("subjects", [])) - {config["name"]}:
            raise from_api_error(10065, "subjects overlap with an existing stream")

    def _judge_consumers_under(self, stream: StoredStream, new: Json) -> None:
        old_limits, limits = stream.config["consumer_limits"], new["consumer_limits"]
        over = [
            name
            for name, each in stream.consumers.items()
            for key in ("max_ack_pending", "inactive_threshold")
            if old_limits.get(key, 0) != limits.get(key, 0)
            # Before 2.14, no limit any more counts as a limit of nothing.
            and (key in limits or self._level < 4)
            and each.config.get(key, 0) > limits.get(key, 0)
        ]
        if over:
            raise from_api_error(10069, f"change to limits violates consumers: {', '.join(over)}")

    def _reserved(self, storage: str) -> int:
        return sum(
            max(each.config["max_bytes"], 0)
            for each in self._streams.values()
            if each.config["storage"] == storage
        )

    def _reserve(self, new: Json) -> None:
        """Refuse a stream that asks for more than its account has."""
        storage, old = new["storage"], self._streams.get(new["name"])
        mine = max(old.config["max_bytes"], 0) if old and old.config["storage"] == storage else 0
        wanted, limit = max(new["max_bytes"], 0), self._limits[storage]
        if wanted > mine and 0 <= limit < self._reserved(storage) - mine + wanted:
            code, words = {"file": (10047, "storage"), "memory": (10028, "memory")}[storage]
            raise from_api_error(code, f"insufficient {words} resources available")

    def _live(self, stream: StoredStream) -> LiveStream:
        now = self._clock()
        stream.enforce(now)
        first = _rfc3339(stream.messages[0].time_ns) if stream.messages else "0001-01-01T00:00:00Z"
        found = stream.live(deepcopy(stream.config), first, _rfc3339(now))
        origins = self.origins.get(found.name, ())
        return replace(found, origins=origins, raft=self.rafts.get(found.name, found.raft))

    def _live_consumer(self, stream: StoredStream, name: str) -> LiveConsumer:
        now = self._clock()
        stream.enforce(now)
        found = stream.consumers[name]
        live = stream.live_consumer(found, deepcopy(found.config), _rfc3339(now))
        return replace(live, raft=self.rafts.get(name, live.raft))


def _rfc3339(time_ns: int) -> str:
    seconds, nanoseconds = divmod(time_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}Z"


_Live = TypeVar("_Live", LiveStream, LiveConsumer)


def _listed(live: _Live) -> _Live:
    """The item as a list has it: without what is added to the answer about one object only."""
    metadata = {**live.config.get("metadata", {})}
    for key in ("_nats.ver", "_nats.level"):
        metadata.pop(key, None)
    rest = {key: value for key, value in live.config.items() if key != "metadata"}
    return replace(live, config=rest | ({"metadata": metadata} if metadata else {}))


def _without_server_metadata(config: Config) -> dict[str, Any]:
    metadata = config.get("metadata", {})
    rest = {key: value for key, value in metadata.items() if not key.startswith("_nats.")}
    return {**config, "metadata": rest}
