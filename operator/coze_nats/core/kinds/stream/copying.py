"""What a copy costs: what it takes from its origin, and what it does not keep itself.

NATS copies by a consumer that acknowledges all it gets. So a work queue loses what it copies and no
consumer of its own covers; a copy with interest retention keeps what one of its own consumers waits
for. All of it was measured on 2.10 to 2.15, for mirrors and sources alike. An origin behind an API
prefix can't be looked at. One that is copied through a consumer of its own (2.14+) is meant to be.
"""

from collections.abc import Iterable

from coze_nats.core.bounds import FEW, listed
from coze_nats.core.costs import Cost, Edit, counted
from coze_nats.core.kinds.stream.holding import messages_on
from coze_nats.core.kinds.stream.sources import Source, new_sources, patterns_of
from coze_nats.core.live import LiveStream
from coze_nats.core.subjects import Subjects, filters_of


def from_sources(edit: Edit[LiveStream]) -> Cost | None:
    """The cost of the sources that are added."""
    before = (edit.live.config.get("sources") or ()) if edit.live else ()
    return _cost(edit, new_sources(before, edit.after["sources"] or ()))


def from_mirror(edit: Edit[LiveStream]) -> Cost | None:
    """The cost of a mirror, which can be declared for a new stream only."""
    mirror = edit.after["mirror"]
    return _cost(edit, [mirror] if mirror else [])


def _cost(edit: Edit[LiveStream], added: Iterable[Source]) -> Cost | None:
    found = []
    for source in added:
        if (source.get("external") or {}).get("api") or source.get("consumer"):
            continue
        origin = edit.seen.stream(source["name"])
        if origin is None or not origin.messages:
            continue
        found += [why for rule in (_taken, _not_kept) if (why := rule(edit, source, origin))]
    return Cost("; ".join(found)) if found else None


def _taken(edit: Edit[LiveStream], source: Source, origin: LiveStream) -> str:
    if origin.config.get("retention") != "workqueue":
        return ""
    consumers = edit.seen.consumers(origin.name).found.values()
    kept = Subjects(item for consumer in consumers for item in filters_of(consumer.config))
    uncovered = tuple(item for item in patterns_of(source) if not kept.cover(item))
    if not uncovered:
        return ""
    messages = messages_on(edit.seen, origin, uncovered)
    if messages is None:
        subjects, total = list(uncovered), origin.messages
    else:
        subjects = sorted(subject for subject in messages if not kept.meet(subject))
        total = sum(messages[subject] for subject in subjects)
    count = _from_start(source, origin, total)
    if not count:
        return ""
    return (
        f"would take up to {counted(count, 'message')} out of stream {origin.name}, on "
        f"{listed(subjects, FEW)}: it is a work queue, and no consumer of it covers them"
    )


def _not_kept(edit: Edit[LiveStream], source: Source, origin: LiveStream) -> str:
    if edit.after["retention"] != "interest" or (edit.live and edit.live.consumers):
        return ""
    messages = messages_on(edit.seen, origin, patterns_of(source))
    total = origin.messages if messages is None else sum(messages.values())
    count = _from_start(source, origin, total)
    if not count:
        return ""
    return (
        f"would keep none of up to {counted(count, 'message')} of stream {origin.name}: with "
        "interest retention, a stream without consumers keeps nothing that it copies"
    )


def _from_start(source: Source, origin: LiveStream, count: int) -> int:
    """At most so many of these messages are copied, given where copying starts."""
    start = source.get("opt_start_seq") or 0
    return min(count, max(origin.last_sequence - start + 1, 0)) if start else count
