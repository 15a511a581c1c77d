"""How evenly shards divide resources, and how much moves when there is one shard more.

A simulation: no servers. `make bench-shards` prints the tables that docs/high-availability.md
quotes; they are the same on every machine.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from coze_nats.core.shards import owner

RESOURCES = 100_000
CONNECTIONS = 200
COUNTS = range(1, 17)

Sizes = Mapping[str, int]
"""How many resources each connection has."""


@dataclass(frozen=True, slots=True)
class Division:
    """What becomes of the resources with a number of shards.

    Attributes:
        connections: of the shards with the fewest and the most of them.
        resources: of the shards with the fewest and the most of them.
        ratio: the largest shard's resources to the mean.
        moved: the part of all resources that another shard gets when there is one more shard.
        strays: connections that move then, but not to the new shard.
    """

    count: int
    connections: tuple[int, int]
    resources: tuple[int, int]
    ratio: float
    moved: float
    strays: int


def alike(connections: int, resources: int) -> Sizes:
    """Every connection has the same number of resources."""
    return {_name(number): resources // connections for number in range(connections)}


def uneven(connections: int, resources: int) -> Sizes:
    """Few connections have much, many have little: sizes go by 1/rank (Zipf)."""
    weights = [1 / rank for rank in range(1, connections + 1)]
    scale = resources / sum(weights)
    return {_name(number): round(weight * scale) for number, weight in enumerate(weights)}


def divide(sizes: Sizes, count: int) -> Division:
    """Divide the resources, and count what moves when there is one shard more."""
    connections = Counter(dict.fromkeys(range(count), 0))
    resources = Counter(connections)
    moved = strays = 0
    for connection, size in sizes.items():
        shard, next_shard = owner(connection, count), owner(connection, count + 1)
        connections[shard] += 1
        resources[shard] += size
        moved += size if shard != next_shard else 0
        strays += next_shard not in {shard, count}
    total = sum(sizes.values())
    return Division(
        count=count,
        connections=_extremes(connections.values()),
        resources=_extremes(resources.values()),
        ratio=max(resources.values()) * count / total,
        moved=moved / total,
        strays=strays,
    )


def table(title: str, sizes: Sizes) -> str:
    """The divisions into 1 to 16 shards, for people."""
    total, largest = sum(sizes.values()), max(sizes.values())
    lines = [
        f"{title}: {total:,} resources, {len(sizes)} connections, the largest with {largest:,}",
        "shards  connections  resources       largest/mean  moved to one more  1/(n+1)",
    ]
    for count in COUNTS:
        found = divide(sizes, count)
        connections = "{}-{}".format(*found.connections)
        resources = "{:,}-{:,}".format(*found.resources)
        lines.append(
            f"{count:>6}  {connections:<11}  {resources:<14}  {found.ratio:>12.2f}"
            f"  {found.moved:>17.1%}  {1 / (count + 1):>7.1%}"
        )
    return "\n".join(lines)


def _extremes(numbers: Iterable[int]) -> tuple[int, int]:
    found = sorted(numbers)
    return found[0], found[-1]


def _name(number: int) -> str:
    return f"tenant-{number}/nats"


if __name__ == "__main__":
    print(table("All alike", alike(CONNECTIONS, RESOURCES)))
    print()
    print(table("Uneven", uneven(CONNECTIONS, RESOURCES)))
