"""The loop, once for every kind: gather, decide, act, report (being written)."""

from dataclasses import dataclass

from coze_nats.core.resource import Key


@dataclass(frozen=True, slots=True)
class Next:
    """What the queue does with a key after its reconcile.

    Attributes:
        after: look again after so many seconds; None: not before something happens.
        backoff: look again after the key's own exponential backoff (resets with a Next without it).
        parked: look again when NATS is back.
        finalized: the resource is being deleted and nothing of it is left to do in JetStream.
        wake: other keys that something changed for.
    """

    after: float | None = None
    backoff: bool = False
    parked: bool = False
    finalized: bool = False
    wake: tuple[Key, ...] = ()
