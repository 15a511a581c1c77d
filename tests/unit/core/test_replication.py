"""Whether a copy gets anything, by what servers tell of its origins."""

from dataclasses import replace
from typing import Any

import pytest

from coze_nats.core.live import LiveStream, Origin
from coze_nats.core.movement import Difference, difference
from coze_nats.core.replication import GRACE, SILENT, Told, as_status, heard, stalled

SECONDS = "2026-01-31T12:00:{:02}Z"
FINE = Origin("orders", heard_ago=0.5)
NEVER = Origin("orders")
MISSING = Origin("orders", error="stream not found (10059)")


def copy(*origins: Origin, second: int = 0) -> LiveStream:
    return LiveStream(
        {"name": "copy"}, SECONDS.format(0), origins=origins, as_of=SECONDS.format(second)
    )


def told(origin: Origin, *, before: Origin | None = None, after: int = 0) -> Told:
    """What is told of an origin so many seconds after what was told before."""
    earlier = {"origins": as_status(heard(copy(before), {}))} if before else {}
    return heard(copy(origin, second=after), earlier)[0]


@pytest.mark.parametrize(
    "found, is_stalled, is_fault, words",
    [
        (told(FINE), False, False, ""),
        (told(NEVER), False, False, ""),
        (told(NEVER, before=NEVER, after=int(GRACE)), True, True, "nothing was ever heard from it"),
        (told(MISSING), True, True, "the server says: stream not found (10059)"),
        (told(replace(FINE, heard_ago=SILENT)), False, False, ""),
        (told(replace(FINE, heard_ago=SILENT + 1)), True, False, "is heard from it any more"),
        (told(FINE, before=replace(FINE, heard_ago=20.0), after=9), False, False, ""),
        (
            told(replace(FINE, heard_ago=6.0), before=replace(FINE, heard_ago=20.0), after=9),
            True,
            False,
            "is heard from it any more",
        ),
        (told(FINE, before=NEVER, after=50), False, False, ""),
    ],
    ids=[
        "heard",
        "not heard yet",
        "never heard",
        "error",
        "late",
        "silent",
        "back",
        "tried anew",
        "heard at last",
    ],
)
def test_an_origin_that_is_not_heard_is_told(
    found: Told, is_stalled: bool, is_fault: bool, words: str
) -> None:
    assert (found.is_stalled, found.is_fault) == (is_stalled, is_fault)
    message = stalled([found])
    assert words in message
    assert bool(message) is is_stalled


def test_an_origin_of_another_account_is_named_with_its_prefix() -> None:
    found = told(replace(MISSING, prefix="$JS.hub.API"))
    assert "orders by $JS.hub.API: the server says" in stalled([found])


def test_a_status_has_what_is_known_of_each_origin() -> None:
    far = Origin("bills", "$JS.hub.API", "bills.eu", lag=3, heard_ago=10.0)
    assert as_status(heard(copy(replace(far, heard_ago=1.0), second=11), {})) == [
        {
            "name": "bills",
            "apiPrefix": "$JS.hub.API",
            "filterSubject": "bills.eu",
            "lag": 3,
            "lastSeen": SECONDS.format(10),
        }
    ]
    assert as_status(heard(copy(MISSING), {})) == [
        {"name": "orders", "silentSince": SECONDS.format(0), "error": "stream not found (10059)"}
    ]
    assert as_status(heard(replace(copy(NEVER), as_of=""), {}))[0]["silentSince"]


def test_of_very_many_origins_those_in_trouble_are_told() -> None:
    many = [Origin(f"n{number:03}", heard_ago=0.1) for number in range(99)]
    found = as_status(heard(copy(*many, Origin("z", error="gone (1)")), {}))
    assert len(found) == 64
    assert found[-1]["name"] == "z"


def after(*origins: Origin, second: int = 0) -> dict[str, Any]:
    return {"origins": as_status(heard(copy(*origins, second=second), {}))}


@pytest.mark.parametrize(
    "before, following, found",
    [
        (after(FINE), after(FINE, second=40), Difference.NONE),
        (after(FINE), after(replace(FINE, lag=4), second=40), Difference.COUNTERS),
        (after(NEVER), after(FINE), Difference.REAL),
        (after(FINE), after(MISSING), Difference.REAL),
        (after(FINE), after(FINE, replace(FINE, name="other")), Difference.REAL),
    ],
)
def test_that_an_origin_was_heard_again_is_nothing_worth_a_write(
    before: dict[str, Any], following: dict[str, Any], found: Difference
) -> None:
    assert difference(before, following) is found
