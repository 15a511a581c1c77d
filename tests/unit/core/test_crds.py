"""Models → CRDs: structural, described, without defaults; tests/integration asks the apiserver."""

import re
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from coze_nats.core import names
from coze_nats.core.api.crds import (
    DEFINITIONS,
    Definition,
    custom_resource_definition,
    schema_of,
)

Schema = dict[str, Any]
RESERVED = (
    *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for"),
    *("function", "if", "import", "let", "loop", "package", "namespace", "return", "var"),
    *("void", "while"),
)
"""Words that are no names in CEL."""

all_kinds = pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda found: found.kind)


def version_of(definition: Definition) -> Schema:
    (version,) = custom_resource_definition(definition)["spec"]["versions"]
    return dict(version)


def schema(definition: Definition) -> Schema:
    return dict(version_of(definition)["schema"]["openAPIV3Schema"])


def walk(found: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema inside a schema, with its path."""
    yield path, found
    for name, inner in found.get("properties", {}).items():
        yield from walk(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            yield from walk(found[key], f"{path}[]")


@all_kinds
def test_every_field_of_the_spec_and_status_is_described(definition: Definition) -> None:
    properties = schema(definition)["properties"]
    for part in ("spec", "status"):
        for path, found in walk(properties[part], part):
            if not path.endswith("[]"):
                assert found.get("description"), path
                assert "\n" not in found["description"], path


@all_kinds
def test_nothing_declared_has_a_default_a_title_a_reference_or_a_null(
    definition: Definition,
) -> None:
    for path, found in walk(schema(definition)):
        defaults = {"default"} if path == ".status" else set()
        assert found.keys() & {"default", "title", "$ref", "const"} == defaults, path
        assert {"type": "null"} not in found.get("anyOf", []), path
        assert "type" in found or "x-kubernetes-int-or-string" in found, path


@all_kinds
def test_a_resource_that_nobody_has_seen_is_about_no_generation(definition: Definition) -> None:
    """Without that, tools that follow kstatus would take it for done."""
    assert schema(definition)["properties"]["status"]["default"] == {"observedGeneration": -1}


@all_kinds
def test_unknown_fields_are_pruned_but_in_what_is_effective_or_chosen(
    definition: Definition,
) -> None:
    kept = [
        path
        for path, found in walk(schema(definition))
        if found.get("x-kubernetes-preserve-unknown-fields")
    ]
    has_effective = "effective" in definition.status.model_fields
    assert kept == ([".status.effective", ".status.chosen"] if has_effective else [])


@all_kinds
def test_every_rule_says_what_to_do(definition: Definition) -> None:
    found = [
        rule
        for _, inner in walk(schema(definition))
        for rule in inner.get("x-kubernetes-validations", ())
    ]
    assert len(found) > 10
    for rule in found:
        assert rule["rule"]
        assert rule["message"]
        assert "\n" not in rule["rule"] + rule["message"]


@all_kinds
def test_a_kind_is_served_with_its_names(definition: Definition) -> None:
    crd = custom_resource_definition(definition)
    assert crd["metadata"]["name"] == f"{names.PLURALS[definition.kind]}.{names.GROUP}"
    assert crd["spec"]["scope"] == "Namespaced"
    assert crd["spec"]["names"]["categories"] == ["coze"]
    assert crd["spec"]["names"]["shortNames"] == list(definition.short_names)
    version = version_of(definition)
    assert version["name"] == names.VERSION
    assert version["subresources"] == {"status": {}}


@all_kinds
def test_columns_and_selectable_fields_exist_in_the_schema(definition: Definition) -> None:
    version, root = version_of(definition), schema(definition)
    paths = {path for path, _ in walk(root)}
    for selectable in version.get("selectableFields", ()):
        assert selectable["jsonPath"] in paths
    for column in version["additionalPrinterColumns"]:
        path = column["jsonPath"]
        assert path.startswith((".status.conditions[?", ".metadata.")) or path in paths
    shown = [column["name"] for column in version["additionalPrinterColumns"]]
    assert shown[:2] == ["Ready", "Reason"]
    assert shown[-2:] == ["Age", "Message"]


@all_kinds
def test_no_rule_names_a_field_by_a_word_that_cel_keeps_for_itself(definition: Definition) -> None:
    """Kubernetes 1.30 knows such a field as `__namespace__` only, and refuses the whole CRD."""
    kept = "|".join(RESERVED)
    for path, found in walk(schema(definition)):
        for rule in found.get("x-kubernetes-validations", ()):
            without_strings = re.sub(r"'[^']*'", "''", rule["rule"])
            assert not re.search(rf"\.\s*\??({kept})\b", without_strings), (path, rule["rule"])


def test_a_spec_is_required_of_every_kind() -> None:
    assert all(schema(each)["required"] == ["spec"] for each in DEFINITIONS)


class Inner(BaseModel):
    """What is inside."""

    value: int | None = Field(default=None, description="A number\nor none.")
    kind: Literal["only"] | None = None


class Outer(BaseModel):
    """What is outside."""

    inner: Inner = Field(default=Inner(), description="Described where it is used.")
    many: tuple[Inner, ...] = ()


def test_a_model_inside_a_model_stands_where_it_is_used() -> None:
    inner = {
        "type": "object",
        "description": "What is inside.",
        "properties": {
            "value": {"type": "integer", "description": "A number or none."},
            "kind": {"type": "string", "enum": ["only"]},
        },
    }
    assert schema_of(Outer) == {
        "type": "object",
        "description": "What is outside.",
        "properties": {
            "inner": {**inner, "description": "Described where it is used."},
            "many": {"type": "array", "items": inner},
        },
    }
