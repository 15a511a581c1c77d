"""The keys of build/bench.json: what each means, and what is promised of it."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """A figure; `most` and `exactly` are what is promised, None when nothing is."""

    name: str
    meaning: str
    most: float | None = None
    exactly: float | None = None

    def holds(self, value: float) -> bool | None:
        """Whether the promise is kept; None when there is none."""
        if self.exactly is not None:
            return value == self.exactly
        return None if self.most is None else value <= self.most

    @property
    def promise(self) -> str:
        if self.exactly is not None:
            return f"exactly {self.exactly:g}"
        return "" if self.most is None else f"at most {self.most:g}"


def of_size(count: int) -> list[Key]:
    """The keys that there are for each number of resources."""
    is_told = count in (1000, 10000)
    return [
        Key(f"floor_{count}_s", f"the floor for {count:,} resources, seconds"),
        Key(
            f"cold_{count}_s",
            f"{count:,} resources are declared, then the operator starts: seconds until the last "
            "is Ready",
        ),
        Key(
            f"cold_{count}_ratio",
            "of these to the floor, with the start of the process in it",
            most=1.3 if count == 1000 else None,
        ),
        Key(f"cold_{count}_work_ratio", "the same without the start of the process"),
        Key(f"cold_{count}_cpu_s", "CPU seconds that the operator spent on it"),
        Key(f"cold_{count}_requests", "JetStream requests for each resource"),
        Key(
            f"rss_{count}_mb",
            f"resident memory at rest with {count:,} resources, 10⁶ bytes",
            most={1000: 120.0, 10000: 200.0}.get(count),
        ),
        Key(
            f"rss_peak_{count}_mb",
            "the most until all were Ready; at rest it may be more",
            most={1000: 120.0, 10000: 200.0}.get(count),
        ),
        Key(
            f"restart_{count}_s",
            f"restart with {count:,} resources converged: seconds until it is at rest",
            most=15.0 if is_told else None,
        ),
        Key(f"restart_{count}_writes", "API writes of that restart", exactly=0),
    ]


ONCE = [
    Key("start_s", "the process starts with nothing declared: seconds until it is ready"),
    Key("writes_per_created", "API writes of the operator for a created resource", exactly=2),
    Key("writes_per_changed", "for a changed one", exactly=1),
    Key("writes_per_deleted", "for a deleted one", exactly=1),
    Key("idle_writes", "at rest", exactly=0),
    Key("change_1000_s", "a change of all specs: seconds until all are Ready again"),
    Key("delete_1000_s", "all are deleted: seconds until all are gone"),
    Key("idle_cpu_s_per_min", "CPU seconds a minute at rest with 1,000 resources", most=0.5),
    Key("idle_requests_per_min", "JetStream requests a minute at rest with 1,000 resources"),
    Key("heal_stream_s", "a stream deleted by hand: seconds until it is back, median", most=1.0),
    Key("heal_consumer_s", "the same for a consumer", most=1.0),
    Key("heal_edit_s", "a stream edited by hand: seconds until it is as declared, median"),
    Key("wiped_1000_s", "NATS comes back empty: seconds until 1,000 objects are there again"),
    Key("wiped_1000_ratio_to_cold", "of these to cold_1000_s", most=1.2),
    Key("single_ms", "one stream is applied: milliseconds until it is Ready, median"),
    Key(
        "single_ms_over_floor",
        "of these beyond the request itself and the floor's own calls for one",
        most=30.0,
    ),
    Key("cost_10000_to_1000", "cost of a resource at 10,000 to that at 1,000", most=1.2),
    Key(
        "connections_ratio",
        "47 connections with their streams, beside three to servers that make trouble: seconds "
        "until all 47 are Ready, to those without the three",
        most=1.2,
    ),
    Key("r3_floor_s", "the floor on three nodes, three replicas each, seconds"),
    Key("r3_cold_s", "a cold start of as many on three nodes, seconds"),
    Key("r3_ratio", "of these to the floor"),
]


def for_sizes(sizes: Iterable[int]) -> list[Key]:
    """All keys of a run over these sizes."""
    return [*(key for size in sizes for key in of_size(size)), *ONCE]
