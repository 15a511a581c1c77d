"""Who is refused for what others are like, so that a change of theirs has it looked at again.

Remembered in memory only: what it misses, the periodic comparison finds.
"""

from collections.abc import Iterable

from coze_nats.core.resource import Key

ANY = ""
"""In place of a stream's name: it isn't known which one stands in the way."""


class Blocked:
    """The refused resources of a connection, by the streams that their refusals depend on.

    That is a stream itself, or a consumer on it. A change wakes whom it may concern, and whoever
    is refused again is remembered again.
    """

    def __init__(self) -> None:
        self._by_stream: dict[str, dict[Key, None]] = {}
        self._streams: dict[Key, frozenset[str]] = {}
        self._due: dict[Key, None] = {}

    def are_by(self, key: Key, streams: Iterable[str]) -> None:
        """The resource is refused, and may not be once one of these streams has changed."""
        self.forget(key)
        self._streams[key] = frozenset(streams)
        for stream in self._streams[key]:
            self._by_stream.setdefault(stream, {})[key] = None

    def forget(self, key: Key) -> None:
        """The resource is not refused any more, or is gone."""
        for stream in self._streams.pop(key, frozenset()):
            del self._by_stream[stream][key]
            if not self._by_stream[stream]:
                del self._by_stream[stream]

    def on(self, stream: str) -> tuple[Key, ...]:
        """Whom a change of the stream, or on it, may concern."""
        return tuple({**self._by_stream.get(stream, {}), **self._by_stream.get(ANY, {})})

    def changed(self, stream: str) -> None:
        """The operator has changed a stream, or a consumer on it."""
        self._due.update(dict.fromkeys(self.on(stream)))

    def due(self, by: Key) -> tuple[Key, ...]:
        """Whom changes since the last call may concern, but for the resource that made them."""
        found, self._due = self._due, {}
        found.pop(by, None)
        return tuple(found)
