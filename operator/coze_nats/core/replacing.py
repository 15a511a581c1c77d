"""What deleting an object and creating it anew would cost, and where a new consumer goes on."""

from dataclasses import dataclass, field

from coze_nats.core import configs
from coze_nats.core.desired import Desired
from coze_nats.core.diff import FieldChange
from coze_nats.core.live import Config, LiveConsumer, LiveStream
from coze_nats.core.losses import counted
from coze_nats.core.ownership import Live
from coze_nats.core.policies import Policies
from coze_nats.core.steps import Replacement

_START_FIELDS = frozenset({"deliverPolicy", "optStartSeq", "optStartTime"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a change touches besides its object; looked at only when such a change is planned.

    Attributes:
        stream: the configuration of a consumer's stream.
        unmanaged: a stream's consumers that no resource would bring back.
        taken: which streams store subjects that a stream shall store, for a person; "" for none.
        left_behind: how many messages a stream holds on each subject that it would no longer store.
    """

    stream: Config = field(default_factory=dict)
    unmanaged: tuple[str, ...] = ()
    taken: str = ""
    left_behind: tuple[tuple[str, int], ...] = ()

    @property
    def retention(self) -> str:
        """Of a consumer's stream."""
        return str(self.stream.get("retention", "limits"))


def cost(
    live: Live, changes: tuple[FieldChange, ...], policies: Policies, around: Surroundings
) -> str:
    """What replacing the object costs that no policy accepts, and the remedy; "" for nothing."""
    if isinstance(live, LiveStream):
        return _cost_of_stream(live, policies, around)
    return _cost_of_consumer(live, changes, policies, around)


def _cost_of_stream(live: LiveStream, policies: Policies, around: Surroundings) -> str:
    if policies.data_loss == "Allow":
        return ""
    remedy = "Nothing was changed: set policies.dataLoss: Allow to accept, or set the field back"
    if live.messages:
        consumers = f" and {counted(live.consumers, 'consumer')}" if live.consumers else ""
        held = f"{counted(live.messages, 'message')} ({live.bytes:,} bytes){consumers}"
        return f"would discard {held}. {remedy}"
    if around.unmanaged:
        gone = ", ".join(around.unmanaged)
        return f"would delete what no resource brings back: consumer {gone}. {remedy}"
    return ""


def _cost_of_consumer(
    live: LiveConsumer,
    changes: tuple[FieldChange, ...],
    policies: Policies,
    around: Surroundings,
) -> str:
    if policies.position == "Reset":
        return ""
    held = (
        f"{counted(live.pending, 'message')} to be delivered and {live.ack_pending:,} not "
        "acknowledged. Nothing was changed: set policies.position: Reset to accept, or set the "
        "field back"
    )
    if any(change.name in _START_FIELDS for change in changes):
        return f"would lose its position, with {held}"
    if around.retention == "interest":
        return (
            "could discard what the stream keeps for it alone, and what is published before it is "
            f"back, as retention is interest; it has {held}"
        )
    return ""


def replacement(
    desired: Desired, live: Live, policies: Policies, around: Surroundings
) -> Replacement:
    """What is to be remembered of the object that goes.

    A consumer of a work queue has to start at the beginning: what is left there is for it.
    """
    if isinstance(live, LiveStream):
        return Replacement(live.created)
    if policies.position == "Reset" or around.retention == "workqueue":
        return Replacement(live.created)
    start = live.acknowledged + 1
    if start == 1 and configs.declared_start(desired) == "all":
        start = 0
    return Replacement(live.created, start)
