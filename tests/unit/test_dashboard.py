"""The Grafana dashboard: its panels have room, and its queries are about what they show."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import dashboard
from dashboard.grafana import WIDTH, Json, Panel

ROOT = Path(__file__).resolve().parents[2]
PANELS: list[Panel] = [panel for row in dashboard.ROWS for panel in row.panels]
MODEL = dashboard.dashboard()


def panels(model: Json = MODEL) -> Iterator[Json]:
    """The panels in the dashboard's JSON, those of folded rows included."""
    for panel in model["panels"]:
        yield panel
        yield from panel.get("panels", [])


def fields(place: Json) -> set[tuple[int, int]]:
    """The fields of the grid that a panel takes."""
    x, y, width, height = (place[side] for side in "xywh")
    return {(x + column, y + line) for column in range(width) for line in range(height)}


def test_every_panel_has_a_number_of_its_own() -> None:
    numbers = [panel["id"] for panel in panels()]
    assert len(set(numbers)) == len(numbers)


def test_no_panel_lies_upon_another_or_beyond_the_edge() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in MODEL["panels"]:
        wanted = fields(panel["gridPos"])
        assert not wanted & taken
        assert max(column for column, _ in wanted) < WIDTH
        taken |= wanted


def test_the_rows_are_the_promised_ones() -> None:
    rows = {panel["title"]: panel["collapsed"] for panel in panels() if panel["type"] == "row"}
    folded = {title for title, is_folded in rows.items() if is_folded}
    assert [*rows][:4] == ["Overview", "Streams", "Consumers", "Operator"]
    assert folded == {"NATS servers (figures of prometheus-nats-exporter)"}


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: f"{panel.kind} {panel.title}")
def test_a_legend_or_column_names_a_label_that_the_query_keeps(panel: Panel) -> None:
    for query in panel.queries:
        kept = re.search(r"\bby \(([^)]+)\)", query.expr)
        shown = set(re.findall(r"{{(\w+)}}", query.legend))
        if kept:
            assert shown <= set(re.split(r",\s*", kept[1]))
    values = {f"Value #{chr(ord('A') + index)}" for index in range(len(panel.queries))}
    columns = set(panel.columns or ())
    labels = {name for name in columns if not name.startswith("Value #")}
    assert columns - labels <= values
    exprs = " ".join(query.expr for query in panel.queries)
    assert all(re.search(rf"by \([^)]*\b{label}\b", exprs) for label in labels)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: f"{panel.kind} {panel.title}")
def test_a_query_chooses_only_by_variables_that_exist(panel: Panel) -> None:
    known = {variable.name for variable in dashboard.VARIABLES} | {"__rate_interval"}
    for query in panel.queries:
        assert set(re.findall(r"\$(\w+)", query.expr)) <= known


def test_every_figure_of_the_servers_is_explained_with_the_others() -> None:
    page = (ROOT / "docs" / "monitoring-nats.md").read_text(encoding="utf-8")
    exprs = [
        query.expr for row in dashboard.ROWS for panel in row.panels for query in panel.queries
    ]
    shown = {name for expr in exprs for name in re.findall(r"\bnats_(?:varz|server)_\w+", expr)}
    assert shown
    assert shown <= set(re.findall(r"`(nats_\w+)`", page))
