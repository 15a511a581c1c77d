"""Plays histories: operators, users, applications and strangers on one NATS account."""

from random import Random

from coze_nats.core.desired import Target
from coze_nats.core.resource import Key
from coze_nats.ports import JetStream
from safety import tables
from safety.history import History
from safety.operators import Operator
from safety.outsider import Outsider
from safety.snapshot import Snapshot
from safety.steps import (
    Apply,
    Attach,
    Consume,
    Delete,
    Foreign,
    ForeignDelete,
    ForeignRecreate,
    Interrupted,
    Look,
    Publish,
    Restart,
    Step,
    Traffic,
    Trouble,
    Wait,
)
from safety.writes import Violation
from support.lives import LeapingClock

CLUSTERS = ("east", "west")
ROUNDS = 30
QUIET_ROUNDS = 3
"""What has to wait is not told at once, so that one round without a write says nothing."""
LEAP = 4000.0
"""Seconds between two rounds at the end: longer than any pause that an operator makes."""


class World:
    """Everything that takes part in one history.

    Attributes:
        restored: objects that strangers made with the metadata of another one.
        made_by_others: names of streams that strangers made.
    """

    def __init__(self, history: History, jetstream: JetStream, outsider: Outsider) -> None:
        self.outsider = outsider
        self.clock = LeapingClock()
        self.operators = [
            Operator(name, defaults, jetstream, outsider, self.clock)
            for name, defaults in zip(CLUSTERS, history.defaults, strict=False)
        ]
        self.restored: set[Target] = set()
        self.made_by_others: set[str] = set()
        self._random = Random(history.order)

    async def play(self, step: Step) -> None:
        """Have one step happen."""
        match step:
            case Apply():
                await self._apply(step)
            case Delete():
                await self._delete(step)
            case Look(cluster, key):
                operator = self.operators[cluster]
                await operator.work([key] if key else await operator.unsettled())
            case Trouble(cluster, key, fault):
                await self.operators[cluster].reconcile(key, fault)
            case Interrupted(cluster, key, call, inner):
                operator = self.operators[cluster]
                await operator.work(
                    await operator.reconcile(key, None, lambda: self.play(inner), call)
                )
            case Restart(cluster):
                self.operators[cluster].start()
            case Wait(seconds):
                self.clock.now += seconds
            case Publish() | Consume() | Attach():
                await self._use(step)
            case _:
                await self._meddle(step)

    async def _use(self, step: Traffic) -> None:
        match step:
            case Publish():
                await self._publish(step)
            case Attach():
                await self.outsider.attach(step)
            case Consume():
                await self.outsider.consume(step)

    async def _publish(self, step: Publish) -> None:
        subject = f"{step.stream.lower()}.{step.token}"
        stored = await self.outsider.publish(step)
        snapshot = await self.outsider.snapshot() if stored else Snapshot({})
        for name, sequence in stored:
            stream = snapshot.streams[name]
            for operator in self.operators:
                missing = operator.ledger.interests.missing(name, stream, subject)
                if missing and sequence not in stream.messages:
                    said = f"{sequence} of {name}, with {', '.join(missing)} yet to come"
                    raise Violation("acknowledges nothing that it drops", said)

    async def _apply(self, step: Apply) -> None:
        operator, key = self.operators[step.cluster], step.key
        known = operator.cluster.kubernetes.resources.get(key)
        identity = ("name", "streamRef", "streamName")
        if known and (
            known.deleting or any(known.spec.get(i) != step.spec.get(i) for i in identity)
        ):
            # The apiserver refuses another identity.
            return
        operator.cluster.kubernetes.apply(*key, step.spec)
        await self._noticed(operator, key, at_once=step.noticed)

    async def _delete(self, step: Delete) -> None:
        operator, key = self.operators[step.cluster], step.key
        known = operator.cluster.kubernetes.resources.get(key)
        if known is None or known.deleting:
            return
        operator.cluster.kubernetes.delete(key)
        if step.released:
            operator.cluster.kubernetes.annotate(key, "jetstream.coze.dev/release")
        await self._noticed(operator, key, at_once=step.noticed)

    async def _noticed(self, operator: Operator, key: Key, *, at_once: bool) -> None:
        operator.hear(key)
        if at_once:
            await operator.work([key])

    async def _meddle(self, step: Foreign) -> None:
        if isinstance(step, ForeignDelete | ForeignRecreate):
            before = await self.outsider.snapshot()
            gone = frozenset(
                found.created
                for target, found in before.objects()
                if target.stream == step.stream and step.consumer in (None, target.consumer)
            )
            for operator in self.operators:
                operator.ledger.suffer(step.stream, before, gone)
        made = await self.outsider.act(step)
        self.made_by_others |= {target.stream for target in made if target.consumer is None}
        if isinstance(step, ForeignRecreate) and step.with_metadata:
            self.restored |= made

    async def look(self) -> None:
        """Have all operators look at what is not settled."""
        for operator in self.operators:
            await operator.work(await operator.unsettled())

    def servers_were_away(self, before: Snapshot, now: Snapshot, emptied: frozenset[str]) -> None:
        """What there was before the servers went and came back, and what there is now.

        Args:
            emptied: streams that came back without their messages.
        """
        gone = self.outsider.identity.go_on(before, now)
        for name, stream in before.streams.items():
            lost = {found.created for target, found in before.objects() if target.stream == name}
            for operator in self.operators:
                if Target(name) in gone:
                    operator.ledger.suffer(name, before, frozenset(lost))
                elif name in emptied and now.streams[name].last < stream.last:
                    operator.ledger.emptied(frozenset({stream.created}))
                    self.outsider.forget(stream)
        for operator in self.operators:
            if self._random.random() < 0.5:
                operator.start()

    # --- the end ----------------------------------------------------------------------------------

    async def settle(self) -> Snapshot:
        """Reconcile until nothing changes any more; returns what there is then."""
        quiet = 0
        for _ in range(ROUNDS):
            quiet = 0 if await self._round() else quiet + 1
            if quiet == QUIET_ROUNDS:
                break
        else:
            raise Violation("comes to rest", f"still writing after {ROUNDS} rounds")
        for operator in self.operators:
            operator.start()
        if said := await self._round(moving=False):
            raise Violation("is at rest", f"after a restart there was more to do: {said}")
        return await self.outsider.snapshot()

    async def _round(self, *, moving: bool = True) -> str:
        """Reconcile everything once, in any order; returns what was written.

        Args:
            moving: also what concerns a copy, in which messages come by themselves.
        """
        self.clock.now += LEAP
        before = [operator.counts for operator in self.operators]
        keys = [
            (op, key)
            for op in self.operators
            for key in op.cluster.kubernetes.resources
            if moving or not is_moving(op, key)
        ]
        self._random.shuffle(keys)
        for operator, key in keys:
            await operator.work([key])
        after = [operator.counts for operator in self.operators]
        return "" if before == after else f"(writes, statuses, events) {before} → {after}"


def is_moving(operator: Operator, key: Key) -> bool:
    """Whether a resource's status may change by itself, as messages come into a copy."""
    resource = operator.cluster.get(key)
    target = operator.cluster.target(resource) if resource else None
    return target is not None and target.stream == tables.COPY
