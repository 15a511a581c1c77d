"""The bodies of requests to the API server: JSON that is YAML, too."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from coze_nats.kube.api import encoded

documents = st.recursive(
    st.text() | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(documents)
def test_any_document_arrives_as_it_is_whether_read_as_json_or_as_yaml(document: object) -> None:
    body = encoded(document).decode()
    assert json.loads(body) == document
    assert yaml.safe_load(body) == document


@pytest.mark.parametrize(
    "text", ["\U0001f600", "\x7f\x85\xa0", "\u2028\u2029", "\ufeff\ufffe\uffff"]
)
def test_characters_that_yaml_treats_in_its_own_way_arrive(text: str) -> None:
    assert yaml.safe_load(encoded({"message": text})) == {"message": text}


def test_half_a_character_is_replaced() -> None:
    assert json.loads(encoded(["a\ud83db"])) == ["a\ufffdb"]
