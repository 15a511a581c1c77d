"""Plays histories: operators, users, applications and strangers on one NATS account."""

from random import Random

from coze_nats.core.desired import Target
from coze_nats.core.resource import Key
from coze_nats.ports import JetStream
from safety.history import History
from safety.operators import Operator
from safety.outsider import Outsider
from safety.snapshot import Snapshot
from safety.steps import (
    Apply,
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
    """

    def __init__(self, history: History, jetstream: JetStream, outsider: Outsider) -> None:
        self.outsider = outsider
        self.clock = LeapingClock()
        self.operators = [
            Operator(name, defaults, jetstream, outsider, self.clock)
            for name, defaults in zip(CLUSTERS, history.defaults, strict=False)
        ]
        self.restored: set[Target] = set()
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
            case Publish():
                await self.outsider.publish(step)
            case Consume():
                await self.outsider.consume(step)
            case _:
                await self._meddle(step)

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
            gone = frozenset(
                found.created
                for target, found in (await self.outsider.snapshot()).objects()
                if target.stream == step.stream and step.consumer in (None, target.consumer)
            )
            for operator in self.operators:
                operator.ledger.suffer(gone)
        made = await self.outsider.act(step)
        if isinstance(step, ForeignRecreate) and step.with_metadata:
            self.restored |= made

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
        if said := await self._round():
            raise Violation("is at rest", f"after a restart there was more to do: {said}")
        return await self.outsider.snapshot()

    async def _round(self) -> str:
        """Reconcile everything once, in any order; returns what was written."""
        self.clock.now += LEAP
        before = [operator.counts for operator in self.operators]
        keys = [(op, key) for op in self.operators for key in op.cluster.kubernetes.resources]
        self._random.shuffle(keys)
        for operator, key in keys:
            await operator.work([key])
        after = [operator.counts for operator in self.operators]
        return "" if before == after else f"(writes, statuses, events) {before} → {after}"
