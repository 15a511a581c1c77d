"""The sources of a stream: which of them NATS takes for new, and what a new one copies again.

NATS tells sources apart by origin, consumer, filter and transforms, and knows of each how far it
has copied. One that differs in any of these is another source (nats-server, server/stream.go,
composeIName). Where that begins was measured on 2.10 to 2.15: at `opt_start_seq`; otherwise no
earlier than the stream's newest message, unless the stream has its first message yet: then at the
start of its origin.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

from coze_nats.core.codec import instant_ns
from coze_nats.core.subjects import Subjects

Source = Mapping[str, Any]
"""A source, or a mirror, as it is on the wire."""


def copied_again(
    before: Sequence[Source], mirror: Source | None, after: Sequence[Source], first_sequence: int
) -> tuple[str, ...]:
    """The sources that copy what may be in the stream already: "orders again from the start".

    Args:
        mirror: what the stream is a mirror of before the change.
        first_sequence: of the oldest message of the stream.
    """
    known = {_identity(source) for source in before}
    kept = {_identity(source) for source in after}
    copied = _copied([*before, mirror] if mirror else before, kept)
    found = {
        f"{source['name']} again {begins}"
        for source in after
        if _identity(source) not in known
        and _may_share(source, copied)
        and (begins := _begins(source, first_sequence))
    }
    return tuple(sorted(found))


def new_sources(before: Sequence[Source], after: Sequence[Source]) -> list[Source]:
    """The sources that NATS takes for new, and so copies from where they start."""
    known = {_identity(source) for source in before}
    return [source for source in after if _identity(source) not in known]


def patterns_of(source: Source) -> tuple[str, ...]:
    """The subjects of its origin that are copied."""
    return tuple(subject for subject, _ in _transforms(source))


def moved_starts(before: Sequence[Source], after: Sequence[Source]) -> tuple[str, ...]:
    """The sources that stay and are given another start, which NATS does not heed any more."""
    started = {_identity(source): _start(source) for source in before}
    moved = {
        str(source["name"])
        for source in after
        if any(_start(source)) and _start(source) != started.get(_identity(source), _start(source))
    }
    return tuple(sorted(moved))


def _identity(source: Source) -> Hashable:
    consumer = (source.get("consumer") or {}).get("name")
    return source["name"], _route(source), consumer, tuple(_transforms(source))


def _route(source: Source) -> str | None:
    return (source.get("external") or {}).get("api")


def _transforms(source: Source) -> list[tuple[str, str]]:
    """What is copied, and as what; a filter leaves subjects as they are. Their order counts."""
    found = source.get("subject_transforms") or [{"src": source.get("filter_subject")}]
    return [(each.get("src") or ">", each.get("dest") or ">") for each in found]


def _copied(
    earlier: Sequence[Source], kept: Collection[Hashable]
) -> Mapping[tuple[str, ...], Subjects]:
    """What was copied: by origin and the way to it, and by origin alone where the way is given up.

    Another way to a stream of the same name may lead to the same one, unless both ways are in use.
    """
    found: dict[tuple[str, ...], list[str]] = {}
    for source in earlier:
        subjects = patterns_of(source)
        found.setdefault(_way(source), []).extend(subjects)
        if _identity(source) not in kept:
            found.setdefault((source["name"],), []).extend(subjects)
    return {way: Subjects(subjects) for way, subjects in found.items()}


def _may_share(source: Source, copied: Mapping[tuple[str, ...], Subjects]) -> bool:
    """Whether a source may copy a message that was copied before."""
    had = [copied[way] for way in (_way(source), (source["name"],)) if way in copied]
    return any(each.meet(subject) for each in had for subject in patterns_of(source))


def _way(source: Source) -> tuple[str, ...]:
    return source["name"], _route(source) or ""


def _begins(source: Source, first_sequence: int) -> str:
    """Where a new source begins, for a person; "" where it copies nothing that is old."""
    if source.get("consumer"):
        return f"from where its consumer {source['consumer']['name']} is"
    if source.get("opt_start_seq"):
        return f"from its sequence {source['opt_start_seq']}"
    if source.get("opt_start_time") or first_sequence > 1:
        return ""
    return "from the start"


def _start(source: Source) -> tuple[int, int]:
    time = source.get("opt_start_time")
    return source.get("opt_start_seq") or 0, instant_ns(time) if time else 0
