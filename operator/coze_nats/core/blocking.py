"""Why a change is not made: the first of the policies that it meets, or the server's version."""

from dataclasses import dataclass

from coze_nats.core import names
from coze_nats.core.costs import Verdict
from coze_nats.core.desired import Target
from coze_nats.core.diff import FieldChange, without_followers
from coze_nats.core.names import Reason
from coze_nats.core.policies import Policies


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing is done, and what the user can do.

    Attributes:
        held_by: the field of `Policies` whose other value would let it be done; "" for none.
    """

    reason: Reason
    message: str
    held_by: str = ""


def refusal_of(changes: tuple[FieldChange, ...], policies: Policies) -> Refusal | None:
    """Why none of these changes is made, None: they may be."""
    table = [
        (
            Verdict.UNSUPPORTED,
            Reason.UNSUPPORTED_BY_SERVER,
            "set the field back or upgrade the server",
            "",
        )
    ]
    is_replaced = any(change.verdict is Verdict.IMMUTABLE for change in changes)
    if policies.replacement == "Block":
        table.append(
            (
                Verdict.IMMUTABLE,
                Reason.IMMUTABLE_FIELD,
                "set the field back, or have it created anew with policies.replacement: Recreate",
                "replacement",
            )
        )
    if policies.data_loss == "Block" and not is_replaced:
        table.append(
            (
                Verdict.LOSES_DATA,
                Reason.WOULD_LOSE_DATA,
                "choose a value that keeps the messages, or set policies.dataLoss: Allow to accept",
                "data_loss",
            )
        )
    for verdict, reason, remedy, policy in table:
        blamed = without_followers([item for item in changes if item.verdict is verdict])
        if blamed:
            found = "; ".join(f"{change}: {change.why}" for change in blamed)
            return Refusal(reason, f"{found}. Nothing was changed: {remedy}", policy)
    return None


def another(target: Target, owner: str, mine: str, successor: str, *, taken: bool) -> str:
    """Why an object of another owner is left alone, and the ways out of it.

    Args:
        successor: to whom this resource hands the object over; "" for none.
        taken: whether it was taken over from this resource.
    """
    (my_cluster, _, my_name), (cluster, _, name) = mine.partition("/"), owner.partition("/")
    belongs = f"{target} belongs to {owner} (cluster/namespace/name)"
    if taken or (cluster == my_cluster and successor == name):
        return (
            f"{belongs}, which took it over from this resource: delete this resource, which "
            "changes nothing in JetStream"
        )
    if cluster == my_cluster:
        way = f"annotate that resource with {names.HAND_OVER_ANNOTATION}={my_name} to have it"
    elif name == my_name:
        way = f"start this operator with --succeeds-cluster-id={cluster} if it takes its place"
    else:
        return f"{belongs}: delete that resource first, or {names.ANOTHER_NAME}"
    return f"{belongs}: delete that resource first, {names.ANOTHER_NAME}, or {way}"
