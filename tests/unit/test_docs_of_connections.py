"""The page about logging in: its examples are valid, and no way is forgotten."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from coze_nats.core.api.connection import Auth, ConnectionSpec, Tls

PAGE = Path(__file__).resolve().parents[2] / "docs" / "logging-in.md"


def examples() -> list[dict[str, Any]]:
    blocks = PAGE.read_text(encoding="utf-8").split("```yaml\n")[1:]
    return [yaml.safe_load(block.partition("```")[0]) for block in blocks]


@pytest.mark.parametrize("example", examples())
def test_an_example_is_a_connection(example: dict[str, Any]) -> None:
    assert example["kind"] == "CozeConnection"
    ConnectionSpec.model_validate(example["spec"])


def test_every_way_to_log_in_and_everything_about_tls_has_an_example() -> None:
    specs = [ConnectionSpec.model_validate(example["spec"]) for example in examples()]
    ways = {way for spec in specs if spec.auth for way in spec.auth.model_fields_set}
    assert ways == set(Auth.model_fields)
    settings = {setting for spec in specs if spec.tls for setting in spec.tls.model_fields_set}
    assert settings == set(Tls.model_fields)
