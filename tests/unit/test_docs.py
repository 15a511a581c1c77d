"""The documentation speaks about everything that there is, and about nothing that there isn't."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks import keys

import metric_tables
import reference
from coze_nats import cli, metrics
from coze_nats.core import names
from coze_nats.core.api.crds import DEFINITIONS, Definition
from coze_nats.core.fields import Change, Field, version_of
from coze_nats.core.names import EventReason, Reason
from coze_nats.core.policies import ALLOWED, in_force
from coze_nats.settings import LOG_LEVELS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("**/*.md")])

SAYS = {
    Change.IN_PLACE: "Can be changed",
    Change.IMMUTABLE: "Can't be changed",
    Change.ON_ONLY: "Can't be undone",
    Change.ONCE: "can't be changed",
    Change.RETENTION: "Can be changed only between limits and interest",
    Change.MIRROR: "Can't be added or changed",
    Change.MAX_CONSUMERS: "Can be changed on nats-server 2.12 and newer",
    Change.PRESENCE: "not added or removed",
    Change.SOURCES: "Can be changed, but not where a source starts that stays",
}
UNSAID = {"mirrorDirect", "name"}
"""The origin decides the first; the second is the table's word for a consumer made ephemeral."""

IMPLIED = {"priorityTimeout"}
"""Needs another field, which names the server."""


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def headings(page: str) -> Iterator[str]:
    """The headings outside of code blocks."""
    prose = re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)
    for found in re.finditer(r"^#+ (.+)$", prose, re.MULTILINE):
        yield found[1].strip()


def anchor(heading: str) -> str:
    """The id that a heading has on a rendered page."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def links() -> list[tuple[Path, str]]:
    return [
        (page, target)
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page))
        if "://" not in target
    ]


def fields() -> list[tuple[Definition, Field]]:
    return [(kind, field) for kind in DEFINITIONS for field in reference.FIELDS[kind.kind]]


@pytest.mark.parametrize(
    "page, target", links(), ids=lambda value: value.name if isinstance(value, Path) else value
)
def test_a_relative_link_leads_somewhere(page: Path, target: str) -> None:
    path, _, fragment = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    assert file.exists()
    if fragment:
        assert fragment in {anchor(heading) for heading in headings(text_of(file))}


@pytest.mark.parametrize("reason", [*Reason, *EventReason])
def test_a_reason_has_an_entry_that_says_what_to_do(reason: str) -> None:
    _, _, rest = text_of(DOCS / "reasons.md").partition(f"\n### {reason}\n")
    entry = re.split(r"^##", rest, maxsplit=1, flags=re.MULTILINE)[0]
    for part in ("You see", "Why", "What to do"):
        assert f"**{part}:**" in entry


def test_no_reason_is_explained_that_does_not_exist() -> None:
    explained = set(re.findall(r"^### (\w+)$", text_of(DOCS / "reasons.md"), re.MULTILINE))
    assert explained == {*Reason, *EventReason}


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda found: found.kind)
def test_a_kind_has_a_page_with_every_field_and_column(definition: Definition) -> None:
    page = text_of(DOCS / f"{definition.kind.lower()}.md")
    for model in (definition.spec, definition.status):
        for name, info in model.model_fields.items():
            assert f"| `{info.alias or name}` |" in page
    for column in definition.columns:
        assert f"| {column.name} |" in page


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda found: found.kind)
def test_the_tables_of_a_page_are_those_of_the_code(definition: Definition) -> None:
    page = text_of(DOCS / f"{definition.kind.lower()}.md")
    assert reference.filled(page, reference.sections(definition)) == page


def test_a_page_without_its_markers_is_an_error() -> None:
    with pytest.raises(ValueError, match="generated: spec"):
        reference.filled("no markers here", {"spec": "a table"})


@pytest.mark.parametrize(
    "definition, field",
    fields(),
    ids=lambda value: value.kind if isinstance(value, Definition) else value.name,
)
def test_a_description_says_how_the_field_can_change(definition: Definition, field: Field) -> None:
    members = {info.alias or name: info for name, info in definition.spec.model_fields.items()}
    description = " ".join((members[field.name].description or "").split())
    if field.name not in UNSAID:
        assert SAYS[field.change] in description


@pytest.mark.parametrize(
    "definition, field",
    fields(),
    ids=lambda value: value.kind if isinstance(value, Definition) else value.name,
)
def test_a_description_names_the_server_that_its_field_needs(
    definition: Definition, field: Field
) -> None:
    members = {info.alias or name: info for name, info in definition.spec.model_fields.items()}
    description = members[field.name].description or ""
    level = field.level([{}])
    if level and field.name not in IMPLIED:
        assert version_of(level) in description


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z][a-z-]+)", text_of(ROOT / "README.md")))
    assert named
    assert named <= targets


def test_every_flag_and_variable_of_the_operator_is_documented(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["operator", "--help"])
    usage = capsys.readouterr().out
    pages = (ROOT / "README.md", DOCS / "connection.md", DOCS / "high-availability.md")
    documentation = "".join(map(text_of, pages))
    flags = set(re.findall(r"--[a-z-]+", usage)) - {"--help"}
    variables = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", usage))
    assert flags | variables
    for word in flags | variables | set(LOG_LEVELS):
        assert f"`{word}" in documentation


@pytest.mark.parametrize("row", tuple(metric_tables.rows()), ids=lambda row: row.name)
def test_every_metric_is_documented_with_its_labels(row: metric_tables.Row) -> None:
    page = text_of(DOCS / "metrics.md")
    labels = ", ".join(f"`{label}`" for label in row.labels)
    assert f"| `{row.name}` | {row.type} | {labels} |" in page


def test_every_metric_that_is_exposed_is_known_to_the_documentation() -> None:
    exposed = re.findall(r"^# TYPE (\w+)", metrics.exposition().decode(), re.MULTILINE)
    assert exposed
    assert set(exposed) <= {row.name for row in metric_tables.rows()}


def test_the_tables_of_metrics_are_those_of_the_code() -> None:
    page = text_of(DOCS / "metrics.md")
    assert reference.filled(page, metric_tables.sections()) == page


@pytest.mark.parametrize(
    "kind, policy", [(kind, policy) for kind, found in ALLOWED.items() for policy in found]
)
def test_a_policy_is_explained_with_its_values_and_its_default_first(
    kind: str, policy: str
) -> None:
    page = text_of(DOCS / "data-safety.md")
    default = in_force(kind, None, {})[policy]
    values = [default, *(value for value in ALLOWED[kind][policy] if value != default)]
    listed = ", ".join(f"`{value}`" for value in values)
    assert re.search(rf"^\| `{policy}` \| .* \| {re.escape(listed)} \|$", page, re.MULTILINE)


def test_every_request_to_jetstream_is_among_the_documented_permissions() -> None:
    gateway = text_of(ROOT / "operator" / "coze_nats" / "jetstream" / "gateway.py")
    page = text_of(DOCS / "permissions.md")
    verbs = set(re.findall(r'"((?:STREAM|CONSUMER)\.[A-Z]+|INFO)\b', gateway))
    assert verbs
    for verb in verbs:
        assert f'"$JS.API.{verb}' in page


def faults() -> Iterator[str]:
    """Patterns of what the tests of faults put on record; what varies in them matches anything."""
    for path in (ROOT / "tests" / "faults").glob("test_*.py"):
        for call in ast.walk(ast.parse(text_of(path))):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(".survived"):
                title = call.args[0]
                parts = title.values if isinstance(title, ast.JoinedStr) else [title]
                yield "".join(
                    re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+"
                    for part in parts
                )


@pytest.mark.parametrize("fault", sorted(faults()))
def test_every_fault_is_documented_with_what_it_came_to(fault: str) -> None:
    page = text_of(DOCS / "reliability.md")
    assert re.search(rf"^\| {fault} \| .* \| [\d.]+ s \| ", page, re.MULTILINE)


@pytest.mark.parametrize("key", keys.for_sizes((1000, 10000)), ids=lambda found: found.name)
def test_every_key_of_the_benchmark_is_documented(key: keys.Key) -> None:
    assert f"| `{key.name}` |" in text_of(DOCS / "performance.md")


# --- names that pages use -------------------------------------------------------------------------

ANNOTATIONS = {
    value
    for value in vars(names).values()
    if isinstance(value, str) and value.startswith((f"{names.GROUP}/", "coze.dev/"))
} | {names.API_VERSION}


FOLDERS = "charts|crds|docs|examples|hack|manifests|operator|tests"


def said(pattern: str) -> list[tuple[str, str]]:
    """What matches in any page but the changelog, with the page."""
    return [
        (page.name, found)
        for page in PAGES
        if page.name != "CHANGELOG.md"
        for found in dict.fromkeys(re.findall(pattern, text_of(page)))
    ]


@pytest.mark.parametrize("page, target", said(r"(?:`|\$ )make ([a-z][a-z-]+)"))
def test_a_make_target_that_a_page_names_exists(page: str, target: str) -> None:
    targets = re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE)
    assert target in targets, page


@pytest.mark.parametrize("page, name", said(r"(?<![.\w])((?:jetstream\.)?coze\.dev/[a-z0-9-]+)"))
def test_an_annotation_that_a_page_names_is_the_operators(page: str, name: str) -> None:
    assert name in ANNOTATIONS | {"coze.dev/shard"}, page


@pytest.mark.parametrize("page, name", said(r"\b(coze_nats_(?!operator\b)[a-z_]+[a-z])\b(?!\*)"))
def test_a_metric_that_a_page_names_is_exposed(page: str, name: str) -> None:
    known = {row.name for row in metric_tables.rows()}
    series = {f"{row}{end}" for row in known for end in ("_bucket", "_count", "_sum")}
    assert name in known | series, page


@pytest.mark.parametrize("page, path", said(rf"`((?:{FOLDERS})/[\w./-]+)`"))
def test_a_path_that_a_page_names_exists(page: str, path: str) -> None:
    must_not = path == "operator/__init__.py"
    assert (ROOT / path.replace("VERSION", "1.34.1")).exists() is not must_not, page


SPECS = {definition.kind: definition.spec for definition in DEFINITIONS}
STATUSES = {definition.kind: definition.status for definition in DEFINITIONS}


@pytest.mark.parametrize("page, field", said(r"`(?:spec\.)?policies\.([a-z]\w+)"))
def test_a_policy_that_a_page_names_exists(page: str, field: str) -> None:
    assert field in {name for kind in ALLOWED.values() for name in kind}, page


@pytest.mark.parametrize("page, field", said(r"`(?:spec)\.([a-z]\w+)"))
def test_a_field_of_a_spec_that_a_page_names_exists(page: str, field: str) -> None:
    known = {info.alias or name for m in SPECS.values() for name, info in m.model_fields.items()}
    assert field in known, page


@pytest.mark.parametrize("page, field", said(r"`status\.([a-z]\w+)"))
def test_a_field_of_a_status_that_a_page_names_exists(page: str, field: str) -> None:
    known = {info.alias or name for m in STATUSES.values() for name, info in m.model_fields.items()}
    assert field in known, page


@pytest.mark.parametrize("kind", ALLOWED)
def test_no_page_of_a_kind_denies_a_policy_that_it_has(kind: str) -> None:
    page = text_of(DOCS / f"{kind.lower()}.md")
    for policy in ALLOWED[kind]:
        assert f"no `{policy}` here" not in page
