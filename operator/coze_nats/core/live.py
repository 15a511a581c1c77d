"""What JetStream really has, as frozen values: streams, consumers, and the server itself.

Configurations stay raw JSON objects, exactly as the server gave them, so that fields which this
operator does not know survive a round trip. No spec, no policy and no decision is in here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

Live = TypeVar("Live")

Config = Mapping[str, Any]
"""A configuration as JetStream's JSON: snake_case keys, integers, durations in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Server:
    """The server behind a connection, from `$JS.API.INFO` and the connection's own INFO.

    Attributes:
        version: such as "2.14.6".
        api_level: `api.level` of `$JS.API.INFO`: 0 on 2.10 (which has none), 1 on 2.11, 3 on 2.12,
            4 on 2.14, 5 on 2.15.
        domain: the JetStream domain; "" for none.
    """

    version: str
    api_level: int
    domain: str = ""

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, to be compared; of a version that says none, the oldest."""
        found = re.match(r"(\d+)\.(\d+)\.(\d+)", self.version, re.ASCII)
        return tuple(int(number) for number in found.groups()) if found else (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Raft:
    """Who leads a stream or consumer in a NATS cluster, and its other replicas by name.

    Attributes:
        leader: empty while there is none, and on a server that is in no cluster.
        offline: how many of the other replicas are not there.
        lag: how many operations the one furthest behind lacks.
        is_leaderless: whether there ought to be a leader, and is none.
        behind: the replicas that aren't current, or offline, with a word for each.
    """

    leader: str = ""
    replicas: tuple[str, ...] = ()
    offline: int = 0
    lag: int = 0
    is_leaderless: bool = False
    behind: tuple[str, ...] = ()

    @property
    def is_clustered(self) -> bool:
        """Whether the servers are a cluster, so that there may be replicas."""
        return bool(self.leader or self.is_leaderless)

    @property
    def members(self) -> int:
        """How many servers hold a copy, or are about to; without a leader nobody is left out."""
        return len(self.replicas) + (0 if self.is_leaderless else 1)

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> Self:
        """Read the `cluster` object of a stream's or consumer's info."""
        cluster = info.get("cluster") or {}
        if "name" not in cluster:
            # A single server names itself in STREAM.INFO, but nowhere else.
            return cls()
        peers = cluster.get("replicas") or ()
        return cls(
            leader=cluster.get("leader", ""),
            replicas=tuple(sorted(peer["name"] for peer in peers)),
            offline=sum(bool(peer.get("offline")) for peer in peers),
            lag=max((peer.get("lag", 0) for peer in peers), default=0),
            is_leaderless=not cluster.get("leader"),
            behind=tuple(sorted(filter(None, map(_why_behind, peers)))),
        )


def _why_behind(peer: Mapping[str, Any]) -> str:
    """A replica that lacks something, with the reason; "" when it has everything."""
    if peer.get("offline"):
        return f"{peer['name']} (offline)"
    return "" if peer.get("current", True) else str(peer["name"])


@dataclass(frozen=True, slots=True)
class Origin:
    """A stream that another one copies from, as the copy's `$JS.API.STREAM.INFO` tells it.

    Attributes:
        prefix: API prefix by which it is reached; "" for one of the same account.
        filter: what of it is copied; "" for everything.
        lag: how many messages the copy lacks.
        heard_ago: seconds since the copy's server heard from it. It is heard every second, also
            without messages. None: never.
        error: the server's words for what keeps it from copying; "" for nothing.
    """

    name: str
    prefix: str = ""
    filter: str = ""
    lag: int = 0
    heard_ago: float | None = None
    error: str = ""

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> Self:
        """Read the `mirror`, or an item of `sources`, of a stream's info."""
        error = info.get("error") or {}
        active = info.get("active", -1)
        return cls(
            name=str(info.get("name", "")),
            prefix=str((info.get("external") or {}).get("api", "")),
            filter=str(info.get("filter_subject", "")),
            lag=int(info.get("lag", 0)),
            heard_ago=None if active < 0 else active / 1_000_000_000,
            error=f"{error.get('description', '')} ({error.get('err_code', 0)})" if error else "",
        )

    @property
    def identity(self) -> tuple[str, str, str]:
        """What tells it from the others: servers give them in any order."""
        return self.name, self.prefix, self.filter


def _origins(info: Mapping[str, Any]) -> tuple[Origin, ...]:
    found = [info.get("mirror"), *(info.get("sources") or ())]
    origins = [Origin.from_info(item) for item in found if item]
    return tuple(sorted(origins, key=lambda origin: origin.identity))


@dataclass(frozen=True, slots=True)
class LiveStream:
    """A stream as `$JS.API.STREAM.INFO` tells it.

    Attributes:
        created: RFC 3339; a stream that was deleted and made again has another one.
        first_time: RFC 3339 time of the oldest message; meaningless when there are no messages.
        first_sequence: sequence of the oldest message; meaningless when there are no messages.
        last_sequence: sequence of the newest message that there ever was.
        subjects: how many distinct subjects hold messages.
        consumers: how many consumers the stream has.
        origins: what it copies from.
        as_of: RFC 3339 time at which the server told this, by its own clock. Only that clock judges
            how old messages are; the operator's may differ.
    """

    config: Config
    created: str
    messages: int = 0
    bytes: int = 0
    first_time: str = ""
    first_sequence: int = 0
    last_sequence: int = 0
    subjects: int = 0
    consumers: int = 0
    raft: Raft = Raft()
    origins: tuple[Origin, ...] = field(default=(), compare=False)
    as_of: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """The stream's name."""
        return str(self.config["name"])

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> Self:
        """Read the answer of STREAM.INFO, .CREATE or .UPDATE, or an item of STREAM.LIST."""
        state = info.get("state") or {}
        return cls(
            config=info["config"],
            created=info["created"],
            messages=state.get("messages", 0),
            bytes=state.get("bytes", 0),
            first_time=state.get("first_ts") or "",
            first_sequence=state.get("first_seq", 0),
            last_sequence=state.get("last_seq", 0),
            subjects=state.get("num_subjects", 0),
            consumers=state.get("consumer_count", 0),
            raft=Raft.from_info(info),
            origins=_origins(info),
            as_of=info.get("ts") or "",
        )


@dataclass(frozen=True, slots=True)
class LiveConsumer:
    """A consumer as `$JS.API.CONSUMER.INFO` tells it.

    Attributes:
        created: RFC 3339; a consumer that was deleted and made again has another one.
        pending: messages that wait to be delivered for the first time.
        ack_pending: messages that were delivered and not yet acknowledged.
        redelivered: messages among those that were delivered more than once.
        waiting: requests for messages that wait for some.
        is_bound: whether a client listens where a push consumer delivers.
        deliveries: how often a message was delivered, each further time counted.
        paused: whether the server holds back deliveries now.
        acknowledged: sequence in the stream up to which nothing is left to deliver or to be
            acknowledged: what comes next is where the consumer stands. None: the server doesn't
            tell.
        as_of: RFC 3339 time at which the server told this, by its own clock.
    """

    config: Config
    created: str
    stream: str = ""
    pending: int = 0
    ack_pending: int = 0
    redelivered: int = 0
    waiting: int = 0
    is_bound: bool = False
    deliveries: int = 0
    paused: bool = False
    acknowledged: int | None = 0
    raft: Raft = Raft()
    as_of: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """The consumer's name: durable_name, or name for a consumer that is not durable."""
        return str(self.config.get("durable_name") or self.config.get("name", ""))

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> Self:
        """Read the answer of CONSUMER.INFO or CONSUMER.CREATE, or an item of CONSUMER.LIST."""
        return cls(
            config=info["config"],
            created=info["created"],
            stream=info.get("stream_name", ""),
            pending=info.get("num_pending", 0),
            ack_pending=info.get("num_ack_pending", 0),
            redelivered=info.get("num_redelivered", 0),
            waiting=info.get("num_waiting", 0),
            is_bound=bool(info.get("push_bound", False)),
            deliveries=(info.get("delivered") or {}).get("consumer_seq", 0),
            paused=bool(info.get("paused", False)),
            acknowledged=_done(info),
            raft=Raft.from_info(info),
            as_of=info.get("ts") or "",
        )


_STARTS_AT_A_SEQUENCE = ("all", "by_start_sequence")


def _done(info: Mapping[str, Any]) -> int | None:
    """Up to which sequence a consumer is done with its stream; None where nothing tells.

    Up to 2.12, and in clusters of all versions, the floor is 0 until what was delivered first is
    acknowledged, wherever the consumer began; what was delivered last begins before its start on
    all servers.
    """
    if not info.get("num_ack_pending"):
        return int((info.get("delivered") or {}).get("stream_seq", 0))
    floor = int((info.get("ack_floor") or {}).get("stream_seq", 0))
    if not floor and info["config"].get("deliver_policy", "all") not in _STARTS_AT_A_SEQUENCE:
        return None
    return max(floor, int(info["config"].get("opt_start_seq", 1)) - 1)


@dataclass(frozen=True, slots=True)
class Listing(Generic[Live]):
    """All streams, or all consumers of a stream, by name.

    `missing` names the objects that exist but did not answer in time: they are not deleted.
    """

    found: Mapping[str, Live]
    missing: frozenset[str] = frozenset()
