"""Shows the figures: build/bench.json, a table, and a plot of cost against size."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import keys

BUILD = Path(__file__).resolve().parents[1] / "build"
RESULTS, PLOT = BUILD / "bench.json", BUILD / "bench.svg"
WIDTH, HEIGHT, MARGIN = 640, 400, 60
COLOURS = {"floor": "#888888", "cold": "#1f6feb"}
LABELS = {"floor": "the floor", "cold": "the operator, cold start"}

Figures = Mapping[str, float]


def write(figures: Figures, sizes: Sequence[int], about: Mapping[str, Any]) -> str:
    """Write both files; returns the table."""
    BUILD.mkdir(exist_ok=True)
    rounded = {name: round(value, 3) for name, value in figures.items()}
    document = {"about": dict(about), **rounded}
    RESULTS.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    PLOT.write_text(plot(figures, sizes), encoding="utf-8")
    return table(figures, sizes)


def table(figures: Figures, sizes: Sequence[int]) -> str:
    """All figures that there are, with what is promised of them."""
    lines = ["| Key | Value | Promise | Kept | What it is |", "|---|---|---|---|---|"]
    for key in keys.for_sizes(sizes):
        if key.name in figures:
            value = figures[key.name]
            kept = {True: "yes", False: "**no**", None: ""}[key.holds(value)]
            shown = f"{value:,.3g}" if value < 100 else f"{value:,.0f}"
            lines.append(f"| `{key.name}` | {shown} | {key.promise} | {kept} | {key.meaning} |")
    return "\n".join(lines)


def plot(figures: Figures, sizes: Sequence[int]) -> str:
    """Milliseconds for a resource against their number, on a logarithmic axis, as SVG."""
    cost = {
        name: [
            (size, 1000 * figures[f"{name}_{size}_s"] / size)
            for size in sizes
            if f"{name}_{size}_s" in figures
        ]
        for name in COLOURS
    }
    values = [value for points in cost.values() for _, value in points]
    most = max(values, default=1.0) * 1.1
    title = "Milliseconds for a resource, by their number"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        "<style>text {font: 13px sans-serif}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{MARGIN}" y="24">{title}</text>',
    ]

    def place(size: int, value: float) -> tuple[float, float]:
        span = math.log(sizes[-1] / sizes[0]) or 1.0
        across = (WIDTH - 2 * MARGIN) * math.log(size / sizes[0]) / span
        return MARGIN + across, HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * value / most

    for step in range(5):
        x, y = place(sizes[0], most * step / 4)
        lines.append(
            f'<path d="M{x:.0f} {y:.0f}H{WIDTH - MARGIN}" stroke="#dddddd"/>'
            f'<text x="{x - 8:.0f}" y="{y + 4:.0f}" text-anchor="end">{most * step / 4:.1f}</text>'
        )
    for size in sizes:
        x, y = place(size, 0)
        lines.append(f'<text x="{x:.0f}" y="{y + 20:.0f}" text-anchor="middle">{size:,}</text>')
    for row, (name, points) in enumerate(cost.items()):
        places = [place(size, value) for size, value in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        colour = COLOURS[name]
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        lines.append(
            f'<text x="{WIDTH - MARGIN}" y="{44 + 18 * row}" text-anchor="end" fill="{colour}">'
            f"{LABELS[name]}</text>"
        )
    return "\n".join([*lines, "</svg>", ""])
