"""What a folder of manifests declares, in short: for those who look before anything runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml


def outline(folder: Path) -> str:
    """Streams with their subjects, and consumers with their stream, a line each."""
    return "\n".join(_line(each) for each in _resources(folder))


def _resources(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text("utf-8")):
            if document["kind"].startswith("Coze"):
                yield document


def _line(resource: dict[str, Any]) -> str:
    spec = resource["spec"]
    about = ", ".join(spec["subjects"]) if "subjects" in spec else f"of {spec['streamRef']['name']}"
    return f"{resource['kind']} {resource['metadata']['name']}: {about}"
