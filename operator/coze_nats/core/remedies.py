"""All that it takes to have a refused change made, told at once: policies that hold it, one by one.

Whoever follows one remedy must not be met by the next one.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import NamedTuple

from coze_nats.core.blocking import Refusal
from coze_nats.core.policies import Policies


class Loosened(NamedTuple):
    """The value of a policy that lets pass what its careful value holds.

    Attributes:
        name: in the spec.
        because: what the change would do without the policy.
    """

    name: str
    value: str
    because: str


LOOSENED = {
    "adoption": Loosened("adoption", "Always", "as it differs"),
    "missing": Loosened("missing", "Recreate", "as it vanished"),
    "replacement": Loosened("replacement", "Recreate", "as NATS can't change it in place"),
    "data_loss": Loosened("dataLoss", "Allow", "as messages would be lost"),
    "position": Loosened("position", "Reset", "as its position would be lost"),
}
"""Field of Policies → what it takes. The words have no figures, which would move."""

Again = Callable[[Policies], Refusal | None]
"""Policies → what then stands in the way."""


def complete(
    refusal: Refusal, policies: Policies, again: Again, forbidden: Collection[tuple[str, str]]
) -> Refusal:
    """The refusal with every other policy that the change takes, and what else stands in its way.

    Args:
        forbidden: policies, by name and value, that count for no resource of this operator.

    Raises:
        NotSeen: what has to be looked at to tell.
    """
    needed, last = [refusal.held_by], refusal
    while last.held_by:
        policies = replace(policies, **{last.held_by: LOOSENED[last.held_by].value})
        following = again(policies)
        if following is None or following.held_by in needed:
            break
        last = following
        needed.append(last.held_by)
    more = [LOOSENED[name] for name in needed[1:] if name]
    message = refusal.message
    if more:
        takes = " and ".join(f"policies.{it.name}: {it.value} ({it.because})" for it in more)
        message += f". That takes {takes}, too"
    if last is not refusal and not last.held_by:
        message += f". Then {last.reason} follows: {last.message}"
    vain = [it for it in map(LOOSENED.get, needed) if it and it[:2] in forbidden]
    if vain:
        named = ", ".join(f"policies.{it.name}: {it.value}" for it in vain)
        message += f". Whoever runs the operator forbids {named}: ask there"
    return replace(refusal, message=message)
