"""A list means one value: what one field manager removed from it does not stay for another."""

import json
from typing import Any

import pytest

from controlplane.kubernetes import KubernetesAPI
from coze_nats.core import names
from support.schema import Field, Spec, fields, resource

LISTS = [
    field for kind in names.PLURALS for field in fields(kind) if field.schema.get("type") == "array"
]
STREAM, CONSUMER, CONNECTION = names.STREAM_KIND, names.CONSUMER_KIND, names.CONNECTION_KIND
NARROWED: dict[str, tuple[str, Spec, Spec]] = {
    "allowedNamespaces": (
        CONNECTION,
        {"servers": ["nats"], "allowedNamespaces": ["a", "b"]},
        {"servers": ["nats"], "allowedNamespaces": ["a"]},
    ),
    "subjects": (STREAM, {"subjects": ["a", "b"]}, {"subjects": ["a"]}),
    "placement.tags": (
        STREAM,
        {"placement": {"tags": ["a", "b"]}},
        {"placement": {"tags": ["a"]}},
    ),
    "subjectTransforms": (
        STREAM,
        {
            "mirror": {
                "name": "x",
                "subjectTransforms": [{"source": s, "destination": s} for s in "ab"],
            }
        },
        {"mirror": {"name": "x", "subjectTransforms": [{"source": "a", "destination": "a"}]}},
    ),
    "filterSubjects": (
        CONSUMER,
        {"streamName": "x", "filterSubjects": ["a", "b"]},
        {"streamName": "x", "filterSubjects": ["a"]},
    ),
}


@pytest.mark.parametrize("field", [pytest.param(field, id=str(field)) for field in LISTS])
def test_every_list_of_a_spec_is_atomic(field: Field) -> None:
    assert field.schema["x-kubernetes-list-type"] == "atomic"


@pytest.mark.parametrize("kind, wide, narrow", NARROWED.values(), ids=NARROWED.keys())
def test_what_another_field_manager_takes_from_a_list_is_gone(
    apiserver: KubernetesAPI, kind: str, wide: Spec, narrow: Spec
) -> None:
    name = f"narrowed-{len(json.dumps(wide))}"

    def apply(manager: str, spec: Spec) -> Any:
        answer = apiserver.kubectl(
            *("apply", "--server-side", f"--field-manager={manager}", "--force-conflicts"),
            *("--filename=-", "--output=json"),
            input=json.dumps(resource(kind, spec, name)),
        )
        return json.loads(answer.stdout)["spec"]

    apply("first", wide)
    assert apply("second", narrow) == narrow
