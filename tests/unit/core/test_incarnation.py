"""Whether a live object is the one that was known, whatever its server says of its age."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coze_nats.core.incarnation import Incarnation, keeps_created
from coze_nats.core.live import LiveConsumer, LiveStream, Raft, Server

EARLY = "2026-01-01T00:00:00Z"
A_LITTLE_LATER = "2026-01-01T00:00:00.140Z"
LATER = "2026-01-01T00:00:08Z"
LATE = "2026-01-02T00:00:00Z"
ALONE, CLUSTERED = Raft(), Raft(leader="n1")
OLD, NEW = Server("2.12.8", 3), Server("2.14.6", 4)


def stream(
    first: int, last: int, at: str = "", *, created: str = EARLY, raft: Raft = ALONE
) -> LiveStream:
    """A stream with the messages from `first` to `last`, the first of which was stored `at`."""
    return LiveStream(
        {"name": "orders"},
        created,
        messages=last - first + 1,
        first_time=at,
        first_sequence=first,
        last_sequence=last,
        raft=raft,
    )


FULL = stream(3, 9, LATER)
EMPTIED = stream(10, 9)
FRESH = replace(stream(1, 0), first_sequence=0)


@pytest.mark.parametrize(
    "before, now, same",
    [
        (FULL, FULL, True),
        (FULL, replace(FULL, created=LATE), True),
        (FULL, stream(3, 12, LATER, created=LATE), True),
        (FULL, stream(5, 12, LATE), True),
        (FULL, stream(10, 9, created=EARLY), True),
        (FULL, stream(3, 8, LATER), False),
        (FULL, stream(1, 0), False),
        (FULL, FRESH, False),
        (FULL, stream(1, 12, LATE), False),
        (FULL, stream(3, 12, LATE), False),
        (FULL, stream(3, 12, EARLY), True),
        (EMPTIED, EMPTIED, True),
        (EMPTIED, replace(EMPTIED, created=LATE), True),
        (EMPTIED, stream(10, 14, LATE, created=LATE), True),
        (EMPTIED, stream(1, 14, LATE), False),
        (FRESH, FRESH, True),
        (FRESH, stream(1, 4, LATE), True),
        (FRESH, stream(5, 4), True),
    ],
    ids=[
        "nothing happened",
        "created moved",
        "messages came, and created moved",
        "messages came and went",
        "it was purged",
        "it was restored without its end",
        "its disk was lost",
        "its disk was lost, and it counts from 0",
        "made again, with more messages",
        "made again, and it begins at the same sequence by now",
        "the time of the first message is put right",
        "empty as before",
        "empty as before, and created moved",
        "it was empty, and messages came, and created moved",
        "it was empty, and made again",
        "new as before",
        "it was new, and messages came",
        "it was new, and messages came and went",
    ],
)
@pytest.mark.parametrize("server", [OLD, NEW])
def test_a_stream_goes_on_while_its_sequences_do(
    before: LiveStream, now: LiveStream, same: bool, server: Server
) -> None:
    known = Incarnation.from_status(_status(before, server))
    assert known
    assert known.goes_on(now) is same


@pytest.mark.parametrize(
    "now, server, same",
    [
        (stream(1, 0, created=LATE), NEW, False),
        (stream(1, 0, created=LATE), OLD, True),
        (stream(1, 0, created=LATE, raft=CLUSTERED), OLD, False),
        (stream(1, 0, created=LATE, raft=Raft(is_leaderless=True)), OLD, False),
        (stream(1, 0, created=A_LITTLE_LATER, raft=CLUSTERED), NEW, True),
        (stream(1, 0, created=A_LITTLE_LATER), NEW, False),
        (stream(1, 5, LATER, created=LATE), NEW, True),
        (stream(1, 5, LATE, created=LATE), NEW, False),
        (stream(1, 0, created="2025-12-31T00:00:00Z"), NEW, True),
        (stream(1, 0, created="once"), NEW, True),
    ],
    ids=[
        "a later one, on a server that keeps it",
        "a later one, on a server that moves it",
        "a later one, in a cluster",
        "a later one, in a cluster without a leader",
        "a little later, in a cluster, which moves it so far",
        "a little later, on a server that keeps it",
        "a later one, but a message is older",
        "a later one, and so is its message",
        "an earlier one",
        "no time at all",
    ],
)
def test_created_counts_only_where_sequences_leave_it_open(
    now: LiveStream, server: Server, same: bool
) -> None:
    known = Incarnation.from_status(_status(FRESH, server))
    assert known
    assert known.goes_on(now) is same


def test_a_declared_first_sequence_is_no_sign_of_a_message() -> None:
    unused = replace(stream(5, 4), config={"name": "orders", "first_seq": 5})
    known = replace(Incarnation.of(unused), created_tells=True)
    assert known.goes_on(unused)
    assert known.goes_on(replace(unused, messages=1, last_sequence=5, first_time=LATER))
    assert not known.goes_on(replace(unused, created=LATE))
    used = replace(unused, first_sequence=6, last_sequence=5)
    assert replace(Incarnation.of(used), created_tells=True).goes_on(replace(used, created=LATE))


def test_a_status_of_a_former_version_knows_no_first_sequence() -> None:
    status = {"created": EARLY, "messages": 4, "lastSequence": 9}
    known = Incarnation.from_status(status)
    assert known
    assert known.goes_on(stream(1, 9, LATER))
    assert known.goes_on(stream(1, 9, LATER, created=LATE))
    assert not known.goes_on(stream(1, 8, LATER))
    assert known.goes_on(stream(1, 9, LATE, created=LATE)), "it may have been moved"
    assert not known.goes_on(stream(1, 9, LATE, created=LATE, raft=CLUSTERED))


def test_what_no_status_can_hold_is_not_remembered() -> None:
    live = replace(FULL, first_sequence=2**64, first_time="yesterday")
    assert Incarnation.of(live).as_status() == {"firstSequence": 2**63 - 1}


def test_without_an_object_there_is_nothing_to_go_on() -> None:
    assert Incarnation.from_status({}) is None


Step = Callable[[LiveStream], LiveStream]


def _published(now: LiveStream) -> LiveStream:
    last = now.last_sequence + 1
    at = now.first_time if now.messages else _time(last)
    first = now.first_sequence if now.messages else last
    return replace(
        now, messages=now.messages + 1, first_sequence=first, first_time=at, last_sequence=last
    )


def _expired(now: LiveStream) -> LiveStream:
    if now.messages <= 1:
        return replace(now, messages=0, first_sequence=now.last_sequence + 1, first_time="")
    first = now.first_sequence + 1
    return replace(now, messages=now.messages - 1, first_sequence=first, first_time=_time(first))


def _emptied(now: LiveStream) -> LiveStream:
    return replace(now, messages=0, first_sequence=now.last_sequence + 1, first_time="")


def _time(sequence: int) -> str:
    return f"2026-01-01T00:{sequence // 60:02}:{sequence % 60:02}Z"


STEPS: list[Step] = [_published, _published, _expired, _emptied]


@given(
    st.lists(st.sampled_from(STEPS), max_size=20),
    st.lists(st.sampled_from(STEPS), max_size=20),
    st.sampled_from([EARLY, LATE]),
)
def test_a_stream_is_never_lost_to_what_happens_to_its_messages(
    before: list[Step], since: list[Step], moved: str
) -> None:
    live = FRESH
    for step in before:
        live = step(live)
    known = Incarnation.from_status(_status(live))
    for step in since:
        live = step(live)
    assert known
    assert known.goes_on(replace(live, created=moved))


# --- consumers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "deliveries, created, now, same",
    [
        (0, EARLY, 0, True),
        (7, EARLY, 3, True),
        (7, A_LITTLE_LATER, 3, True),
        (7, "2025-12-31T00:00:00Z", 3, True),
        (7, LATER, 7, True),
        (7, LATER, 6, False),
        (7, LATE, 9, True),
        (0, LATER, 0, True),
        (0, LATE, 0, False),
    ],
    ids=[
        "nothing happened",
        "it was reset",
        "a restart moved its creation, and took back what wasn't on disk",
        "a snapshot is older",
        "a cluster moved its creation",
        "made again",
        "a snapshot was restored, and it goes on",
        "nothing was delivered, and a cluster moved its creation",
        "nothing was delivered, and it was made again",
    ],
)
def test_a_consumer_goes_on_while_its_deliveries_do(
    deliveries: int, created: str, now: int, same: bool
) -> None:
    reader = LiveConsumer({"name": "reader"}, EARLY, deliveries=deliveries)
    known = Incarnation.from_status(_status(reader, Server("2.11.11", 1)))
    assert known
    assert known.goes_on(replace(reader, created=created, deliveries=now)) is same
    assert Incarnation.of(reader).goes_on(replace(reader, created=created, deliveries=now)) is same


@pytest.mark.parametrize("deliveries", [0, 3])
def test_a_consumer_made_again_at_once_is_another_where_its_creation_was_told_for_good(
    deliveries: int,
) -> None:
    reader = LiveConsumer({"name": "reader"}, EARLY)
    again = replace(reader, created=A_LITTLE_LATER, deliveries=deliveries)
    for server, goes_on in ((Server("2.11.11", 1), True), (OLD, False), (NEW, False)):
        known = Incarnation.from_status(_status(reader, server))
        assert known
        assert known.goes_on(reader)
        assert known.goes_on(again) is goes_on
        in_a_cluster = replace(again, raft=Raft("n1", ("n2", "n3")))
        assert known.goes_on(in_a_cluster), "a move or a mixed cluster moves it"


def _status(live: LiveStream | LiveConsumer, server: Server = OLD) -> dict[str, object]:
    known = Incarnation.of(live)
    told = {"lastSequence": known.last_sequence, "createdIsKept": keeps_created(server, live)}
    return {"created": live.created, **told, **known.as_status()}
