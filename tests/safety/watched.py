"""The ports as an operator sees them in a history: each call may fail, and each write is judged.

The operator under test knows nothing of this. What goes wrong at which call is said by the
`Reconciling` that is current; judging is `safety.writes`' and `safety.statuses`'.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from coze_nats.core.desired import Target
from coze_nats.core.errors import OutcomeUnknown, Unavailable
from coze_nats.core.live import Config, Listing, LiveConsumer, LiveStream, Server
from coze_nats.core.ownership import Live
from coze_nats.core.resource import Resource
from coze_nats.ports import JetStream
from fakes.kubernetes import FakeKubernetes
from safety.steps import Fault
from support.faults import Died

Value = TypeVar("Value")
Interruption = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Reconciling:
    """One reconcile that is going on.

    Attributes:
        resource: as it was when the reconcile began.
        interruption: what happens before the call `interrupted_at`.
        seen: what the operator was last told of each object.
        unaware: whether something has happened meanwhile that it can't know of.
    """

    resource: Resource
    fault: Fault | None = None
    interrupted_at: int = 0
    interruption: Interruption | None = None
    calls: int = 0
    seen: dict[Target, Live | None] = field(default_factory=dict)
    unaware: bool = False

    async def call(self, name: str, make: Callable[[], Awaitable[Value]]) -> Value:
        """Make a port call, unless something comes between."""
        self.calls += 1
        if self.interruption and self.calls == self.interrupted_at:
            self.unaware = True
            await self.interruption()
        fault = self.fault if self.fault and self.fault.call == self.calls else None
        if fault and not fault.after:
            raise _failure(fault, name)
        answer = await make()
        if fault:
            raise _failure(fault, name)
        return answer


def _failure(fault: Fault, name: str) -> BaseException:
    match fault.kind:
        case "dies":
            return Died(name)
        case "away":
            return Unavailable(f"not connected to NATS, says the test: {name}")
        case _:
            return OutcomeUnknown(f"no answer, says the test: {name}")


current: ContextVar[Reconciling] = ContextVar("current")

Judge = Callable[[Reconciling, str, Target, Callable[[], Awaitable[Any]]], Awaitable[Any]]
"""Makes a write and judges it, given who writes, the method and what it is about."""


class WatchedJetStream:
    """Implements `coze_nats.ports.JetStream` on a real one."""

    def __init__(self, real: JetStream, judge: Judge) -> None:
        self._real = real
        self._judge = judge
        self.writes = 0

    async def server(self) -> Server:
        # Remembered by the gateway: no call that could fail.
        return await self._real.server()

    async def account(self) -> Mapping[str, Any]:
        return await current.get().call("account", self._real.account)

    async def stream(self, name: str) -> LiveStream | None:
        found = await current.get().call("stream", lambda: self._real.stream(name))
        current.get().seen[Target(name)] = found
        return found

    async def streams(self) -> Listing[LiveStream]:
        return await current.get().call("streams", self._real.streams)

    async def streams_on(self, subject: str) -> tuple[str, ...]:
        return await current.get().call("streams_on", lambda: self._real.streams_on(subject))

    async def messages_on(self, stream: str, subject: str) -> Mapping[str, int]:
        return await current.get().call(
            "messages_on", lambda: self._real.messages_on(stream, subject)
        )

    async def create_stream(self, config: Config) -> LiveStream:
        target = Target(config["name"])
        return await self._write("create", target, lambda: self._real.create_stream(config))

    async def update_stream(self, config: Config) -> LiveStream:
        target = Target(config["name"])
        return await self._write("update", target, lambda: self._real.update_stream(config))

    async def delete_stream(self, name: str) -> None:
        await self._write("delete", Target(name), lambda: self._real.delete_stream(name))

    async def consumer(self, stream: str, name: str) -> LiveConsumer | None:
        found = await current.get().call("consumer", lambda: self._real.consumer(stream, name))
        current.get().seen[Target(stream, name)] = found
        return found

    async def consumers(self, stream: str) -> Listing[LiveConsumer]:
        return await current.get().call("consumers", lambda: self._real.consumers(stream))

    async def create_consumer(self, stream: str, config: Config) -> LiveConsumer:
        target = Target(stream, config["name"])
        return await self._write(
            "create", target, lambda: self._real.create_consumer(stream, config)
        )

    async def update_consumer(self, stream: str, config: Config) -> LiveConsumer:
        target = Target(stream, config["name"])
        return await self._write(
            "update", target, lambda: self._real.update_consumer(stream, config)
        )

    async def pause_consumer(self, stream: str, name: str, until: str | None) -> None:
        target = Target(stream, name)
        await self._write("pause", target, lambda: self._real.pause_consumer(stream, name, until))

    async def delete_consumer(self, stream: str, name: str) -> None:
        target = Target(stream, name)
        await self._write("delete", target, lambda: self._real.delete_consumer(stream, name))

    async def _write(
        self, verb: str, target: Target, make: Callable[[], Awaitable[Value]]
    ) -> Value:
        who = current.get()

        async def judged() -> Value:
            self.writes += 1
            answer: Value = await self._judge(who, verb, target, make)
            return answer

        answer = await who.call(verb, judged)
        who.seen[target] = answer if isinstance(answer, LiveStream | LiveConsumer) else None
        return answer


StatusJudge = Callable[[Reconciling, Resource, Mapping[str, Any]], Awaitable[None]]


class WatchedKubernetes:
    """Implements `coze_nats.ports.Kubernetes` on what is stored."""

    def __init__(self, stored: FakeKubernetes, judge: StatusJudge) -> None:
        self._stored = stored
        self._judge = judge

    async def apply_status(self, resource: Resource, status: Mapping[str, Any]) -> str | None:
        who = current.get()

        async def judged() -> str | None:
            await self._judge(who, resource, status)
            return await self._stored.apply_status(resource, status)

        return await who.call("apply_status", judged)

    def emit(
        self, resource: Resource, type_: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        self._stored.emit(resource, type_, reason, message)
