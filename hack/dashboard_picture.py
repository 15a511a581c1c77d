"""Draw the dashboard as it looks on a test run: docs/images/dashboard.svg.

`python hack/dashboard_picture.py [MINUTES]` starts everything on this machine, has it work for so
long (5), asks a real Prometheus the dashboard's queries, and draws the answers. It is not Grafana.
"""

import asyncio
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import dashboard
from controlplane.kubernetes import KubernetesAPI
from controlplane.prometheus import Prometheus
from dashboard.grafana import WIDTH, Panel, Query
from observed import Observed

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "docs" / "images" / "dashboard.svg"

COLUMN, LINE, GAP = 50, 26, 6
"""Pixels of a column and a line of the grid, and between panels."""

POINTS = 60
MOST_SERIES, MOST_LINES, MOST_BARS = 7, 8, 6
TEXT = "#ccccdc"
PALETTE = ("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#b877d9", "#5794f2")
COLORS = {"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c"}
SCALES = (1e9, "G"), (1e6, "M"), (1e3, "k")

Series = tuple[str, list[tuple[float, float]]]
"""A legend, and times with values."""


def main() -> None:
    """Run, ask, draw."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    with KubernetesAPI() as kubernetes:
        kubernetes.kubectl("apply", "-f", ROOT / "crds")
        with Observed(kubernetes) as world:
            start = time.time()
            world.declare()
            asyncio.run(_work(world, minutes * 60))
            text = picture(world.prometheus, start, time.time())
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(text, encoding="utf-8")
    print(f"wrote {FILE.relative_to(ROOT)}: {len(text) // 1000} kB")


async def _work(world: Observed, seconds: float) -> None:
    async with world.traffic():
        await asyncio.sleep(seconds)


def picture(prometheus: Prometheus, start: float, end: float) -> str:
    """The rows that aren't folded, with what Prometheus answers to their queries."""
    drawn: list[str] = []
    y = GAP
    for row in dashboard.ROWS:
        if row.folded:
            continue
        drawn.append(_text(GAP, y + 18, row.title, size=15, weight=600))
        y += 26
        x = line = 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, line = 0, y + line * LINE + GAP, 0
            place = (x * COLUMN + GAP, y, panel.width * COLUMN - GAP, panel.height * LINE)
            drawn += _panel(panel, place, Answers(prometheus, start, end))
            x, line = x + panel.width, max(line, panel.height)
        y += line * LINE + 2 * GAP
    width = WIDTH * COLUMN + GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" '
        'font-family="Inter, Helvetica, Arial, sans-serif">'
    )
    background = f'<rect width="{width}" height="{y}" fill="#111217"/>'
    return "\n".join((head, background, *drawn, "</svg>\n"))


class Answers:
    """What Prometheus answers to the queries of a panel."""

    def __init__(self, prometheus: Prometheus, start: float, end: float) -> None:
        self._prometheus = prometheus
        self.start = start
        self.end = end

    def ranges(self, panel: Panel) -> list[Series]:
        """The series over time, the largest first."""
        found: list[Series] = []
        step = (self.end - self.start) / POINTS
        for query in panel.queries:
            for item in self._prometheus.query_range(
                _concrete(query.expr), self.start, self.end, step
            ):
                points = [(at, float(value)) for at, value in item["values"] if value != "NaN"]
                if points:
                    found.append((_legend(query, item["metric"]), points))
        return sorted(found, key=lambda each: -max(value for _, value in each[1]))

    def now(self, query: Query) -> list[tuple[Mapping[str, str], float]]:
        """The samples of now, with their labels."""
        found = self._prometheus.query(_concrete(query.expr))
        return [(item["metric"], float(item["value"][1])) for item in found]


def _concrete(expr: str) -> str:
    """The expression as Grafana sends it when everything is chosen and scrapes are 1 s apart."""
    expr = re.sub(r"\$(connection|namespace|stream)\b", ".*", expr)
    return expr.replace("$__rate_interval", "30s")


def _legend(query: Query, labels: Mapping[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), query.legend)


def _panel(panel: Panel, place: tuple[int, int, int, int], answers: Answers) -> Iterator[str]:
    x, y, width, height = place
    yield (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="#181b1f" '
        'stroke="#2c3235"/>'
    )
    yield _text(x + 8, y + 17, panel.title, size=12, weight=500)
    inside = (x + 8, y + 26, width - 16, height - 34)
    match panel.kind:
        case "stat":
            yield from _stat(panel, inside, answers)
        case "table":
            yield from _table(panel, inside, answers)
        case "bargauge":
            yield from _bars(panel, inside, answers)
        case _:
            yield from _graph(panel, inside, answers)


def _stat(panel: Panel, inside: tuple[int, int, int, int], answers: Answers) -> Iterator[str]:
    x, y, width, height = inside
    values = [value for _, value in answers.now(panel.queries[0])]
    shown = _shown(values[0], panel.unit) if values else "No data"
    color = _color(panel, values[0] if values else 0.0)
    yield _text(x + width // 2, y + height // 2 + 14, shown, size=34, color=color, anchor="middle")


def _graph(panel: Panel, inside: tuple[int, int, int, int], answers: Answers) -> Iterator[str]:
    x, y, width, height = inside
    series = answers.ranges(panel)[:MOST_SERIES]
    if not series:
        yield _text(x + width // 2, y + height // 2, "No data", anchor="middle", color="#7b8087")
        return
    curves = _stacked(series) if panel.stack else series
    fixed = panel.colors or {}
    colors = [
        COLORS[fixed[name]] if name in fixed else PALETTE[index % len(PALETTE)]
        for index, (name, _) in enumerate(series)
    ]
    top = max((value for _, points in curves for _, value in points), default=0.0) * 1.1 or 1.0
    legend = 30
    left, plot = x + 44, height - legend - 4
    for part in range(4):
        value = top * part / 3
        at = y + plot - plot * part / 3
        yield f'<path d="M{left} {at:.0f}H{x + width}" stroke="#2c3235" stroke-width="1"/>'
        yield _text(left - 4, int(at) + 3, _shown(value, panel.unit), size=9, anchor="end")
    across = (x + width - left) / (answers.end - answers.start)
    for index, (_, points) in enumerate(curves):
        path = "L".join(
            f"{left + (at - answers.start) * across:.0f} {y + plot - plot * value / top:.1f}"
            for at, value in points
        )
        yield f'<path d="M{path}" fill="none" stroke="{colors[index]}" stroke-width="1.3"/>'
    names = [name for name, _ in series]
    yield from _legends(names, colors, x, y + plot + 16, width)


def _stacked(series: Sequence[Series]) -> list[Series]:
    """Each series on top of those before it."""
    below: dict[float, float] = {}
    found: list[Series] = []
    for name, points in series:
        for at, value in points:
            below[at] = below.get(at, 0.0) + value
        found.append((name, [(at, below[at]) for at, _ in points]))
    return found


def _legends(
    legends: Sequence[str], colors: Sequence[str], x: int, y: int, width: int
) -> Iterator[str]:
    at, line = x, y
    for name, color in zip(legends, colors, strict=True):
        wide = 16 + 5 * len(name)
        if at + wide > x + width:
            at, line = x, line + 12
        if line > y + 12:
            return
        yield f'<rect x="{at}" y="{line - 5}" width="8" height="3" fill="{color}"/>'
        yield _text(at + 11, line, name, size=9)
        at += wide + 6


def _bars(panel: Panel, inside: tuple[int, int, int, int], answers: Answers) -> Iterator[str]:
    x, y, width, _ = inside
    query = panel.queries[0]
    full = width - 50
    for index, (labels, value) in enumerate(answers.now(query)[:MOST_BARS]):
        top = y + 2 + index * 28
        bar = f'<rect x="{x}" y="{top + 13}" height="8"'
        yield _text(x, top + 9, _legend(query, labels), size=9)
        yield f'{bar} width="{full}" fill="#22252b"/>'
        yield f'{bar} width="{full * min(value, 1.0):.0f}" fill="{_color(panel, value)}"/>'
        yield _text(x + width, top + 21, _shown(value, panel.unit), size=10, anchor="end")


def _table(panel: Panel, inside: tuple[int, int, int, int], answers: Answers) -> Iterator[str]:
    x, y, width, _ = inside
    columns = panel.columns or {}
    rows: list[dict[str, str]] = []
    for index, query in enumerate(panel.queries):
        for labels, value in answers.now(query):
            found = {label: labels[label] for label in columns if label in labels}
            row = next((row for row in rows if _is_same(row, found)), None)
            if row is None:
                rows.append(row := {})
            row |= found | {f"Value #{chr(ord('A') + index)}": _shown(value, "short")}
    shown = [list(columns.values())]
    shown += [[row.get(column, "") for column in columns] for row in rows[:MOST_LINES]]
    widths = [max(map(len, cells)) + 3 for cells in zip(*shown, strict=True)]
    for line, cells in enumerate(shown):
        at = x
        for cell, wide in zip(cells, widths, strict=True):
            color = TEXT if line else "#6e9fff"
            yield _text(at, y + 10 + 19 * line, cell, size=10, color=color)
            at += width * wide // sum(widths)


def _is_same(row: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether a line of a table is about what has these labels: Grafana merges such lines."""
    common = row.keys() & labels.keys()
    return bool(common) and all(row[label] == labels[label] for label in common)


def _color(panel: Panel, value: float) -> str:
    return next(
        COLORS[color]
        for least, color in reversed(tuple(panel.steps))
        if least is None or value >= least
    )


def _shown(value: float, unit: str) -> str:
    """The value as a person reads it."""
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s":
        return f"{value:.2g} s" if value >= 1 or not value else f"{value * 1000:.3g} ms"
    scale, letter = next(((s, letter) for s, letter in SCALES if value >= s), (1.0, ""))
    after = {"bytes": "B", "cps": "/s", "ops": "/s", "reqps": "/s"}.get(unit, "")
    number = f"{value / scale:.3g}" if scale > 1 or value < 100 else f"{value:.0f}"
    return f"{number}{' ' if letter or after else ''}{letter}{after}"


def _text(
    x: int,
    y: int,
    text: Any,
    *,
    size: int = 11,
    color: str = TEXT,
    anchor: str = "start",
    weight: int = 400,
) -> str:
    more = f' text-anchor="{anchor}"' if anchor != "start" else ""
    more += f' font-weight="{weight}"' if weight != 400 else ""
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" fill="{color}"{more}>{escape(str(text))}</text>'
    )


if __name__ == "__main__":
    main()
