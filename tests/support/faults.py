"""Ports through which a chosen call ends an operator's process, or fails: before it, or after it.

The faults stand here, around the ports; the code under test knows nothing of them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

CREATES = frozenset({"create_stream", "create_consumer"})

CHANGES_JETSTREAM = CREATES | {
    "update_stream",
    "delete_stream",
    "update_consumer",
    "pause_consumer",
    "delete_consumer",
}


class Died(BaseException):
    """The process is gone, as after kill -9: nobody may catch this and go on."""


@dataclass(slots=True)
class Fate:
    """Counts the calls over all ports of one life, and lets one of them go wrong.

    Attributes:
        at: number of that call, counted from 1; 0: none does.
        answered: whether that call is still made, and only its answer lost.
        error: what becomes of it: death, or a failure to live with.
        made: names of the calls that were made.
        created: the objects that were there after a call to create them: its name, and when each
            object was made. Asked to create what it has, a server answers with that.
    """

    at: int = 0
    answered: bool = False
    error: Callable[[str], BaseException] = Died
    made: list[str] = field(default_factory=list)
    created: set[tuple[str, str]] = field(default_factory=set)
    calls: int = 0

    async def call(self, name: str, make: Callable[[], Awaitable[Any]]) -> Any:
        """Make a call, unless it goes wrong before."""
        self.calls += 1
        goes_wrong = self.calls == self.at
        if goes_wrong and not self.answered:
            raise self.error(name)
        answer = await make()
        self.made.append(name)
        if name in CREATES:
            self.created.add((name, answer.created))
        if goes_wrong:
            raise self.error(name)
        return answer

    @property
    def is_over(self) -> bool:
        """Whether something has gone wrong."""
        return 0 < self.at <= self.calls

    @property
    def changes(self) -> list[str]:
        """The calls that were made and may have changed JetStream."""
        return [name for name in self.made if name in CHANGES_JETSTREAM]


class Mortal:
    """A port whose awaited calls go by a fate; what isn't awaited is passed on."""

    def __init__(self, port: Any, fate: Fate, awaited: frozenset[str] | None = None) -> None:
        """`awaited` names the methods that are; by default all."""
        self._port = port
        self._fate = fate
        self._awaited = awaited

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if self._awaited is not None and name not in self._awaited:
            return method

        async def call(*arguments: Any) -> Any:
            return await self._fate.call(name, lambda: method(*arguments))

        return call
