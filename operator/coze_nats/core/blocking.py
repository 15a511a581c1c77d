"""Why a change is not made: the first of the policies that it meets, or the server's version."""

from dataclasses import dataclass

from coze_nats.core.costs import Verdict
from coze_nats.core.diff import FieldChange
from coze_nats.core.names import Reason
from coze_nats.core.policies import Policies


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing is done, and what the user can do."""

    reason: Reason
    message: str


def refusal_of(changes: tuple[FieldChange, ...], policies: Policies) -> Refusal | None:
    """Why none of these changes is made, None: they may be."""
    table = [
        (
            Verdict.UNSUPPORTED,
            Reason.UNSUPPORTED_BY_SERVER,
            "set the field back or upgrade the server",
        )
    ]
    is_replaced = any(change.verdict is Verdict.IMMUTABLE for change in changes)
    if policies.replacement == "Block":
        table.append(
            (
                Verdict.IMMUTABLE,
                Reason.IMMUTABLE_FIELD,
                "set the field back, or have it created anew with policies.replacement: Recreate",
            )
        )
    if policies.data_loss == "Block" and not is_replaced:
        table.append(
            (
                Verdict.LOSES_DATA,
                Reason.WOULD_LOSE_DATA,
                "choose a value that keeps the messages, or set policies.dataLoss: Allow to accept",
            )
        )
    for verdict, reason, remedy in table:
        found = [f"{change}: {change.why}" for change in changes if change.verdict is verdict]
        if found:
            return Refusal(reason, f"{'; '.join(found)}. Nothing was changed: {remedy}")
    return None
