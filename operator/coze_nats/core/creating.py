"""What creating an object costs others: the rows of its fields, asked before it is there."""

from coze_nats.core.desired import Desired
from coze_nats.core.diff import FieldChange, in_spec_terms, with_costs
from coze_nats.core.live import Server
from coze_nats.core.looks import Look, Seen

ACCEPT = "give those messages consumers that keep them, or set policies.dataLoss: Allow to accept"
"""What to do about the costs."""


def costs_of_creation(
    desired: Desired, server: Server, seen: Seen
) -> tuple[tuple[FieldChange, ...], tuple[Look, ...]]:
    """The declared fields that cost something, and the looks that it takes to tell the rest."""
    declared = tuple(
        FieldChange(item.name, None, in_spec_terms(item, value), declared=True)
        for item in desired.fields
        if (value := desired.declared.get(item.wire)) is not None
    )
    changes, looks = with_costs(declared, desired, None, server, seen)
    return tuple(change for change in changes if change.is_costly), looks
