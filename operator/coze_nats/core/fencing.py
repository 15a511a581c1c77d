"""A stream that takes nothing in for a while: nobody publishes to the one subject that it has.

A stream is fenced right before it goes, so that nothing more comes in, and is created fenced in
another one's place: what it takes in comes last, after its consumers. Publishers get no answer
meanwhile ("no responders"), and none that a message were stored which then is dropped.
"""

import json
from typing import Any

from coze_nats.core import names
from coze_nats.core.live import Config

_SOURCES = ("subjects", "sources")

FIELDS = frozenset({*_SOURCES, "firstSequence"})
"""The fields of a spec in which a fenced stream is otherwise than declared."""


def subject_of(stream: str) -> str:
    """The subject of a fenced stream: of its own, as streams can't share one."""
    return f"_coze.fence.{stream}"


def is_fenced(config: Config) -> bool:
    """Whether the stream takes nothing in, as it is about to go or not yet complete."""
    metadata = config.get("metadata") or {}
    is_marked = names.FENCED_METADATA in metadata
    return is_marked and config.get("subjects") == [subject_of(config["name"])]


def fenced(config: Config, *taken: str) -> dict[str, Any]:
    """The same stream, fenced; its metadata notes what was taken away.

    Args:
        taken: by default everything that messages come from. A source that is taken from a stream
            that was there before, and given back, would be copied again.
    """
    wires = taken or _SOURCES
    note = {wire: config[wire] for wire in wires if config.get(wire)}
    metadata = {**(config.get("metadata") or {}), names.FENCED_METADATA: json.dumps(note)}
    rest = {key: value for key, value in config.items() if key not in wires}
    return {**rest, "subjects": [subject_of(config["name"])], "metadata": metadata}


def opened(config: Config) -> dict[str, Any]:
    """The same stream with what was taken from it, if it is fenced."""
    if not is_fenced(config):
        return dict(config)
    metadata = {**config["metadata"]}
    note = json.loads(metadata.pop(names.FENCED_METADATA))
    rest = {key: value for key, value in config.items() if key != "subjects"}
    return {**rest, **note, "metadata": metadata}
