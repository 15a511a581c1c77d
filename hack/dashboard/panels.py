"""The forms that the panels of the dashboard have, and what their queries have in common."""

from dashboard.grafana import GREEN, ORANGE, RED, Panel, Query, Steps

NONE_IS_GOOD: Steps = ((None, GREEN), (1, RED))
FILLING: Steps = ((None, GREEN), (0.7, ORANGE), (0.9, RED))

PLACE = 'namespace=~"$namespace"'
OBJECT = f'{PLACE},connection=~"$connection",stream=~"$stream"'
CONNECTION = 'connection=~"$connection"'
RATE = "[$__rate_interval]"

# What the resync tells changes once a minute: a shorter window would hold one value only.
SLOW = "[5m]"

# For what happens now and then only.
RARE = "[30m]"


def stat(title: str, expr: str, unit: str = "short", steps: Steps = ((None, GREEN),)) -> Panel:
    return Panel(
        title=title, kind="stat", queries=(Query(expr),), unit=unit, steps=steps, width=4, height=4
    )


def graph(
    title: str,
    *queries: tuple[str, str],
    unit: str = "short",
    says: str = "",
    stack: bool = False,
    colors: dict[str, str] | None = None,
) -> Panel:
    return Panel(
        title=title,
        kind="timeseries",
        queries=tuple(Query(expr, legend) for expr, legend in queries),
        unit=unit,
        says=says,
        stack=stack,
        colors=colors,
    )


def quantiles(
    metric: str, by: str = "", where: str = "", window: str = RATE
) -> tuple[tuple[str, str], ...]:
    """The median and the 95th percentile of a histogram."""
    labels, legend = (f"le, {by}", f"{{{{{by}}}}} ") if by else ("le", "")
    total = f"sum by ({labels}) (rate({metric}_bucket{where}{window}))"
    return tuple(
        (f"histogram_quantile({share}, {total})", f"{legend}{name}")
        for share, name in ((0.5, "median"), (0.95, "95 %"))
    )


def table(
    title: str, columns: dict[str, str], *exprs: str, says: str = "", width: int = 16
) -> Panel:
    queries = tuple(Query(expr) for expr in exprs)
    return Panel(
        title=title, kind="table", queries=queries, columns=columns, says=says, width=width
    )


def bars(title: str, expr: str, legend: str) -> Panel:
    return Panel(
        title=title,
        kind="bargauge",
        queries=(Query(expr, legend),),
        unit="percentunit",
        steps=FILLING,
        most=1,
    )


def objects(kind: str, *metrics: str) -> tuple[str, ...]:
    """The metrics of streams or consumers, with the labels that tables show."""
    labels = "namespace, name, connection, stream" + (", consumer" if kind == "consumer" else "")
    return tuple(f"max by ({labels}) (coze_nats_{kind}_{each}{{{OBJECT}}})" for each in metrics)


def slow_rate(metric: str) -> str:
    """Per second, of what the resync tells."""
    return f"rate(coze_nats_{metric}{{{OBJECT}}}{SLOW})"
