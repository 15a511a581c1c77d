"""Whether an account has room for what a stream reserves; tests/contract asks the servers."""

from typing import Any

import pytest

from coze_nats.core.capacity import shortage
from coze_nats.core.live import LiveStream
from support.convergence import stream

Account = dict[str, Any]


def account(reserved: int = 0, limit: int = 1000, kind: str = "storage") -> Account:
    return {f"reserved_{kind}": reserved, "limits": {f"max_{kind}": limit}}


def tiers(**of: Account) -> Account:
    """An account with limits for each number of replicas; its own are 0 then."""
    return {**account(limit=0), "tiers": of}


def has(**config: Any) -> LiveStream:
    return LiveStream({"name": "work", "storage": "file", "num_replicas": 1, **config}, "")


def found(
    spec: dict[str, Any], books: Account, live: LiveStream | None = None, replicas: int = 1
) -> str:
    return shortage(stream("work", {"replicas": replicas, **spec}), live, books)


def test_large_sizes_are_told_in_large_units() -> None:
    books = account(reserved=6 * 2**20, limit=10 * 2**20)
    assert "maxBytes: 10M in 1 replica don't fit: 6Mi of the account's 10Mi of storage" in found(
        {"maxBytes": "10M"}, books
    )


@pytest.mark.parametrize(
    "spec, live, books",
    [
        ({}, None, account(limit=1)),
        ({"maxBytes": -1}, None, account(limit=1)),
        ({"maxBytes": 1000}, None, account(limit=-1)),
        ({"maxBytes": 1000}, None, {}),
        ({"maxBytes": 1000}, None, {"limits": None}),
        ({"maxBytes": 1000}, None, account()),
        ({"maxBytes": 1000}, has(max_bytes=600), account(600)),
        ({"maxBytes": 1000}, has(max_bytes=-1), account()),
        ({"maxBytes": 1000, "storage": "memory"}, None, account(1000)),
        ({"maxBytes": 1000}, None, tiers(R3=account(limit=1))),
        ({"maxBytes": 1000}, None, tiers(R1=account())),
    ],
    ids=[
        "nothing is reserved",
        "no limit",
        "the account has none",
        "the account doesn't tell",
        "the account tells null",
        "all of it is free",
        "what it has already is its own",
        "it had no limit before",
        "the limit is another storage's",
        "the limit is another tier's",
        "its tier has room",
    ],
)
def test_there_is_room(spec: dict[str, Any], live: LiveStream | None, books: Account) -> None:
    assert found(spec, books, live) == ""


@pytest.mark.parametrize(
    "spec, live, books, words",
    [
        (
            {"maxBytes": 2000},
            None,
            account(),
            (
                "maxBytes: 2,000 bytes in 1 replica don't fit: 0 bytes of the account's 1,000 "
                "bytes of storage are reserved by others; ask for less, or raise the account's "
                "limit"
            ),
        ),
        ({"maxBytes": 500, "replicas": 3}, None, account(), "500 bytes in 3 replicas don't fit"),
        ({"maxBytes": 500}, None, account(501), "501 bytes of the account's 1,000"),
        ({"maxBytes": 900}, has(max_bytes=600), account(800), "200 bytes of the account's"),
        (
            {"maxBytes": 500, "replicas": 1},
            has(max_bytes=200, num_replicas=3),
            account(1150),
            "550 bytes of the account's",
        ),
        (
            {"maxBytes": 900, "storage": "memory"},
            has(max_bytes=900),
            account(200, kind="memory"),
            "200 bytes of the account's 1,000 bytes of memory",
        ),
        (
            {"maxBytes": 900, "replicas": 3},
            has(max_bytes=900, num_replicas=1),
            tiers(R3=account(200)),
            "900 bytes in 1 replica don't fit: 200 bytes of",
        ),
        (
            {"maxBytes": 900},
            has(max_bytes=300),
            tiers(R1=account(500)),
            "900 bytes in 1 replica don't fit: 200 bytes of",
        ),
    ],
    ids=[
        "more than the account has",
        "every replica counts",
        "others have reserved the rest",
        "its own reservation is not others'",
        "its own replicas are not others'",
        "another storage's books know nothing of it",
        "a tier counts a stream once, and knows nothing of another tier's",
        "a tier knows what the stream has of it",
    ],
)
def test_a_shortage_is_told_with_its_numbers(
    spec: dict[str, Any], live: LiveStream | None, books: Account, words: str
) -> None:
    assert words in found(spec, books, live)
