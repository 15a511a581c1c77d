"""The policies in force: what a resource says, else the operator's defaults, else the safe ones."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from coze_nats.core import names
from coze_nats.core.api.policies import ConsumerPolicies, StreamPolicies

_MODELS = {names.STREAM_KIND: StreamPolicies, names.CONSUMER_KIND: ConsumerPolicies}

SAFE: Mapping[str, str] = {
    "deletion": "DeleteIfEmpty",
    "adoption": "IfIdentical",
    "dataLoss": "Block",
    "replacement": "Block",
    "position": "Keep",
    "ownership": "Mark",
    "missing": "Recreate",
}
"""Where nobody says anything."""


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of one resource, all of them decided."""

    deletion: str = "DeleteIfEmpty"
    adoption: str = "IfIdentical"
    data_loss: str = "Block"
    replacement: str = "Block"
    position: str = "Keep"
    missing: str = "Recreate"
    ownership: str = "Mark"


def _allowed(model: type[Any]) -> dict[str, tuple[str, ...]]:
    hints = get_type_hints(model)
    return {
        field.alias or name: get_args(get_args(hints[name])[0])
        for name, field in model.model_fields.items()
    }


ALLOWED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    kind: _allowed(model) for kind, model in _MODELS.items()
}
"""Kind → name of a policy → its values, as the models have them."""


class UnknownPolicy(ValueError):
    """A default that is no policy; the text says which there are."""


def parse_default(text: str) -> tuple[str, str]:
    """Read `NAME=VALUE`, such as `deletion=Retain`, as given for the whole operator.

    Raises:
        UnknownPolicy: there is no such policy, or it has no such value.
    """
    name, _, value = text.partition("=")
    values = sorted({item for kind in ALLOWED.values() for item in kind.get(name, ())})
    if not values:
        known = ", ".join(sorted(SAFE))
        raise UnknownPolicy(f"{text!r}: there is no policy {name!r}; the policies are {known}")
    if value not in values:
        raise UnknownPolicy(f"{text!r}: {name} is one of {', '.join(values)}")
    return name, value


def parse_forbidden(text: str) -> tuple[str, str]:
    """Read `NAME=VALUE`, such as `dataLoss=Allow`, that no resource shall choose.

    Raises:
        UnknownPolicy: there is no such policy or value, or it is the safe one.
    """
    name, value = parse_default(text)
    if value == SAFE[name]:
        raise UnknownPolicy(f"{text!r}: this is the careful value, which always counts")
    return name, value


def in_force(
    kind: str,
    declared: Mapping[str, str] | None,
    defaults: Mapping[str, str],
    forbidden: Collection[tuple[str, str]] = (),
) -> dict[str, str]:
    """Every policy of a kind with its value, by the name that it has in the spec.

    Args:
        declared: `spec.policies`.
        defaults: the operator's; a value that a kind doesn't have is passed over.
        forbidden: names and values that count for nobody: the safe one takes their place.
    """
    found = {}
    for name, values in ALLOWED[kind].items():
        chosen = (declared or {}).get(name) or defaults.get(name, SAFE[name])
        may_be = chosen in values and (name, chosen) not in forbidden
        found[name] = chosen if may_be else SAFE[name]
    return found


def policies_of(
    kind: str,
    declared: Mapping[str, str] | None,
    defaults: Mapping[str, str],
    forbidden: Collection[tuple[str, str]] = (),
) -> Policies:
    """The same as a value that plans are made from."""
    found = in_force(kind, declared, defaults, forbidden)
    return Policies(
        deletion=found["deletion"],
        adoption=found["adoption"],
        data_loss=found["dataLoss"],
        replacement=found["replacement"],
        position=found.get("position", "Keep"),
        ownership=found["ownership"],
        missing=found["missing"],
    )
