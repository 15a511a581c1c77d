"""The parts of the Helm chart that are made from something else: its CRDs, the table of values.

The CRDs come from crds/, the table from the comments in values.yaml. The text after `# --` belongs
to the key below it, a line `# @default -- …` says in words what an empty value means, and a line
`# --- Title ---…` begins a section.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

_METADATA = re.compile(r"^metadata:\n  name: (.+)\n", re.MULTILINE)

_SECTION = re.compile(r"^# --- (.+?) -+$")
_TEXT = re.compile(r"^# -- (.+)$")
_DEFAULT = re.compile(r"^# @default -- (.+)$")


class UndocumentedValue(Exception):
    """A key of values.yaml has neither a description nor keys of its own that have one."""


def crd_template(crd: str) -> str:
    """The Helm template that renders this CRD: with labels, switched and kept by values."""
    # `{{` has a meaning in a subject mapping, and another one in a template.
    body = crd.replace("{{", '{{ "{{" }}')
    metadata = (
        "metadata:\n"
        r"  name: \1" + "\n"
        '  {{- include "coze-nats-operator.crdMetadata" . | nindent 2 }}\n'
    )
    templated, found = _METADATA.subn(metadata, body)
    if found != 1:
        raise ValueError("a CRD has one `metadata` that begins with its name")
    return f"{{{{- if .Values.crds.enabled }}}}\n{templated}{{{{- end }}}}\n"


@dataclass(frozen=True, slots=True)
class Value:
    """One row of the table: a path in values.yaml, its default, and what it does."""

    path: str
    default: str
    text: str


def values_tables(values: str) -> str:
    """The Markdown tables of all values, one a section. Raises UndocumentedValue."""
    lines = values.splitlines()
    sections: dict[str, list[Value]] = {}
    for key, node in _members(yaml.compose(values)):
        section = _section_above(lines, key.start_mark.line)
        sections.setdefault(section, []).extend(_rows(lines, "", key, node))
    return "\n\n".join(f"### {title}\n\n{_table(rows)}" for title, rows in sections.items())


def _rows(lines: list[str], parent: str, key: Any, node: Any) -> Iterator[Value]:
    path = f"{parent}{key.value}"
    comment = list(_comment_above(lines, key.start_mark.line))
    text = _described(comment)
    if text:
        in_words = [found[1] for line in comment if (found := _DEFAULT.match(line))]
        yield Value(path, in_words[0] if in_words else _shown(node), text)
    elif isinstance(node, yaml.MappingNode) and node.value:
        for inner, value in _members(node):
            yield from _rows(lines, f"{path}.", inner, value)
    else:
        raise UndocumentedValue(f"values.yaml: {path} has no description (`# -- …` above it)")


def _members(node: Any) -> list[tuple[Any, Any]]:
    return list(node.value)


def _comment_above(lines: list[str], line: int) -> Iterator[str]:
    """The comment that ends right above this line, without its indentation."""
    start = line
    while start and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    return (text.strip() for text in lines[start:line])


def _described(comment: list[str]) -> str:
    """What stands after `# --`, over as many lines as it takes; "" when nothing does."""
    words: list[str] = []
    for line in comment:
        if _DEFAULT.match(line):
            break
        if found := _TEXT.match(line):
            words = [found[1]]
        elif words:
            words.append(line.removeprefix("#").strip())
    return " ".join(words)


def _section_above(lines: list[str], line: int) -> str:
    titles = [found[1] for text in lines[:line] if (found := _SECTION.match(text))]
    if not titles:
        raise UndocumentedValue("values.yaml must begin with a section: `# --- Title ---`")
    return titles[-1]


def _shown(node: Any) -> str:
    default = yaml.safe_load(yaml.serialize(node))
    return f"`{json.dumps(default)}`"


def _table(rows: list[Value]) -> str:
    lines = ["| Value | Default | Effect |", "| --- | --- | --- |"]
    lines += [
        f"| `{row.path}` | {row.default} | {row.text.replace('|', chr(92) + '|')} |" for row in rows
    ]
    return "\n".join(lines)
