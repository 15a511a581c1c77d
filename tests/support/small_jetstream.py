"""A JetStream that keeps what it is told and does nothing with it, for servers of our own."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

CREATED = "2026-01-31T12:00:00Z"


@dataclass
class JetStream:
    """Streams and consumers by name, as JSON; what a request that isn't a lie is answered from."""

    streams: dict[str, Json] = field(default_factory=dict)
    consumers: dict[tuple[str, str], Json] = field(default_factory=dict)

    def answer(self, words: str, body: Json) -> Json:
        """Answer a request such as STREAM.INFO.ORDERS."""
        what, _, rest = words.partition(".")
        if what == "INFO":
            return account()
        about = self._about_streams if what == "STREAM" else self._about_consumers
        return about(rest.split("."), body)

    def _about_streams(self, words: list[str], body: Json) -> Json:
        match words:
            case ["CREATE" | "UPDATE", name]:
                self.streams[name] = body
                return self._stream(name)
            case ["INFO", name]:
                return self._stream(name)
            case ["DELETE", name]:
                return {"success": True} if self.streams.pop(name, None) else missing_stream()
            case ["LIST" | "NAMES" as what]:
                return self._page(what, "streams", [self._stream(name) for name in self.streams])
        return failure(10009, "unknown request")

    def _about_consumers(self, words: list[str], body: Json) -> Json:
        match words:
            case ["CREATE", stream, name]:
                self.consumers[stream, name] = body["config"]
                return self._consumer(stream, name)
            case ["INFO", stream, name]:
                return self._consumer(stream, name)
            case ["DELETE", stream, name]:
                found = self.consumers.pop((stream, name), None)
                return {"success": True} if found else missing_consumer()
            case ["LIST" | "NAMES" as what, stream]:
                mine = [self._consumer(*key) for key in self.consumers if key[0] == stream]
                return self._page(what, "consumers", mine)
        return failure(10009, "unknown request")

    def _stream(self, name: str) -> Json:
        if name not in self.streams:
            return missing_stream()
        return stream_info(name, **self.streams[name])

    def _consumer(self, stream: str, name: str) -> Json:
        if (stream, name) not in self.consumers:
            return missing_consumer()
        return consumer_info(stream, name, **self.consumers[stream, name])

    def _page(self, what: str, key: str, items: list[Json]) -> Json:
        found = [item["config"]["name"] for item in items] if what == "NAMES" else items
        return {"total": len(found), "offset": 0, "limit": 1024, key: found or None}


def failure(code: int, words: str) -> Json:
    return {"error": {"code": 400, "err_code": code, "description": words}}


def missing_stream() -> Json:
    return failure(10059, "stream not found")


def missing_consumer() -> Json:
    return failure(10014, "consumer not found")


def account(**changes: Any) -> Json:
    """The answer of INFO."""
    limits = {"max_memory": -1, "max_storage": -1, "max_streams": -1, "max_consumers": -1}
    used = {"memory": 0, "storage": 0, "streams": 0, "consumers": 0}
    return {**used, "limits": limits, "api": {"level": 4, "total": 0, "errors": 0}, **changes}


def stream_info(name: str, /, **config: Any) -> Json:
    """What STREAM.INFO answers."""
    state = {"messages": 0, "bytes": 0, "first_seq": 1, "last_seq": 0, "consumer_count": 0}
    usual = {"subjects": [name], "retention": "limits", "storage": "file", "num_replicas": 1}
    return {
        "type": "io.nats.jetstream.api.v1.stream_info_response",
        "config": {**usual, **config, "name": name},
        "created": CREATED,
        "state": {**state, "first_ts": CREATED, "last_ts": CREATED},
        "ts": CREATED,
    }


def consumer_info(stream: str, name: str, /, **config: Any) -> Json:
    """What CONSUMER.INFO answers."""
    usual = {"deliver_policy": "all", "ack_policy": "explicit", "replay_policy": "instant"}
    return {
        "type": "io.nats.jetstream.api.v1.consumer_info_response",
        "stream_name": stream,
        "name": name,
        "created": CREATED,
        "config": {**usual, **config, "name": name, "durable_name": name},
        "delivered": {"consumer_seq": 0, "stream_seq": 0},
        "ack_floor": {"consumer_seq": 0, "stream_seq": 0},
        "num_pending": 0,
        "num_ack_pending": 0,
        "ts": CREATED,
    }
