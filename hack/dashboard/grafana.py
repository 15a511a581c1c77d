"""A dashboard as Grafana imports it: panels as values, laid out in rows, turned into JSON.

What is on the operator's dashboard stands in dashboard.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

WIDTH = 24
"""Columns of Grafana's grid."""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
GREEN, ORANGE, RED = "green", "orange", "red"

Steps = Sequence[tuple[float | None, str]]
"""From which value on which colour is shown; the first is from None on."""


@dataclass(frozen=True)
class Query:
    """A PromQL expression; `legend` names its series."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
        kind: the type of Grafana's panel: stat, timeseries, table or bargauge.
        unit: of Grafana's units, such as short, bytes, s, percentunit or ops.
        says: what is shown when the pointer is on the panel's title.
        columns: of a table: label or `Value #A` → heading, in order; the others are hidden.
        stack: whether the series of a time series are put on top of each other.
        most: the highest value of a bar gauge.
        colors: of the series with these names; the others take what comes.
    """

    title: str
    kind: str
    queries: tuple[Query, ...]
    unit: str = "short"
    says: str = ""
    width: int = 8
    height: int = 8
    steps: Steps = ((None, GREEN),)
    columns: Mapping[str, str] | None = None
    stack: bool = False
    most: float | None = None
    colors: Mapping[str, str] | None = None

    def json(self, number: int, x: int, y: int) -> Json:
        """The panel at a place of the grid."""
        is_table = self.kind == "table"
        found: Json = {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.says,
            "datasource": DATASOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "targets": [
                {
                    "refId": chr(ord("A") + index),
                    "datasource": DATASOURCE,
                    "expr": query.expr,
                    "legendFormat": query.legend or "__auto",
                    "range": self.kind == "timeseries",
                    "instant": self.kind != "timeseries",
                    "format": "table" if is_table else "time_series",
                }
                for index, query in enumerate(self.queries)
            ],
            "fieldConfig": {"defaults": self._defaults(), "overrides": self._overrides()},
            "options": self._options(),
        }
        if is_table:
            found["transformations"] = self._transformations()
        return found

    def _defaults(self) -> Json:
        steps = [{"color": color, "value": value} for value, color in self.steps]
        found: Json = {
            "unit": self.unit,
            "thresholds": {"mode": "absolute", "steps": steps},
            "color": {"mode": "palette-classic" if self.kind == "timeseries" else "thresholds"},
        }
        if self.most is not None:
            found |= {"min": 0, "max": self.most}
        if self.kind == "timeseries":
            found["min"] = 0
            found["custom"] = {
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": 25 if self.stack else 10,
                "showPoints": "never",
                "spanNulls": False,
                "stacking": {"mode": "normal" if self.stack else "none"},
            }
        return found

    def _overrides(self) -> list[Json]:
        return [
            {
                "matcher": {"id": "byName", "options": name},
                "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
            }
            for name, color in (self.colors or {}).items()
        ]

    def _options(self) -> Json:
        reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        match self.kind:
            case "stat":
                return {
                    "reduceOptions": reduced,
                    "colorMode": "background_solid" if len(self.steps) > 1 else "value",
                    "graphMode": "none",
                    "textMode": "value_and_name" if len(self.queries) > 1 else "value",
                }
            case "bargauge":
                return {
                    "reduceOptions": reduced,
                    "displayMode": "gradient",
                    "orientation": "horizontal",
                }
            case "table":
                return {"showHeader": True, "cellHeight": "sm"}
            case _:
                return {
                    "legend": {"displayMode": "list", "placement": "bottom"},
                    "tooltip": {"mode": "multi", "sort": "desc"},
                }

    def _transformations(self) -> list[Json]:
        columns = self.columns or {}
        keep = {"id": "filterFieldsByName", "options": {"include": {"names": list(columns)}}}
        order = {name: index for index, name in enumerate(columns)}
        organize = {"indexByName": order, "renameByName": dict(columns)}
        return [{"id": "merge", "options": {}}, keep, {"id": "organize", "options": organize}]


@dataclass(frozen=True)
class Row:
    """Panels under a heading, which can be folded."""

    title: str
    panels: tuple[Panel, ...]
    folded: bool = False


@dataclass(frozen=True)
class Variable:
    """A choice at the top of the dashboard: the values that a label has on a metric."""

    name: str
    label: str
    metric: str

    def json(self) -> Json:
        """The variable with all values chosen."""
        query = f"label_values({self.metric}, {self.name})"
        return {
            "name": self.name,
            "label": self.label,
            "type": "query",
            "datasource": DATASOURCE,
            "query": {"query": query, "refId": "A"},
            "definition": query,
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"]},
        }


def dashboard(title: str, uid: str, variables: Sequence[Variable], rows: Sequence[Row]) -> Json:
    """The whole dashboard, as its JSON model."""
    source = {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
    }
    return {
        "uid": uid,
        "title": title,
        "tags": ["coze", "nats", "jetstream"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [source, *(variable.json() for variable in variables)]},
        "annotations": {"list": []},
        "links": [],
        "panels": list(_placed(rows)),
    }


def _placed(rows: Sequence[Row]) -> Iterator[Json]:
    number, y = 0, 0
    for row in rows:
        number += 1
        heading: Json = {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": row.folded,
            "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y},
            "panels": [],
        }
        y += 1
        placed, height = _flowed(row.panels, number, y)
        number += len(placed)
        if row.folded:
            # A folded row holds its panels, and takes no more room than its heading.
            yield {**heading, "panels": placed}
        else:
            yield heading
            yield from placed
            y += height


def _flowed(panels: Sequence[Panel], number: int, top: int) -> tuple[list[Json], int]:
    """The panels from left to right, line by line, and how high they are altogether."""
    placed: list[Json] = []
    x, y, line = 0, 0, 0
    for index, panel in enumerate(panels, start=1):
        if x + panel.width > WIDTH:
            x, y, line = 0, y + line, 0
        placed.append(panel.json(number + index, x, top + y))
        x, line = x + panel.width, max(line, panel.height)
    return placed, y + line
