"""What a connection grants to a namespace, and what it does not."""

from typing import Any

import pytest

from coze_nats.core.grants import Granted, declared_bytes, foreign_copies, granted_to, ungranted
from coze_nats.core.resource import Key

Spec = dict[str, Any]
EVENTS = Key("CozeConnection", "platform", "events")
SHOPS: Spec = {
    "namespaces": ["shop"],
    "streams": ["shop-*", "legacy"],
    "subjects": ["shop.>"],
    "sourcesFrom": ["catalog"],
    "publishTo": ["out.shop.>"],
    "maxBytes": "10Ki",
}
GRANTS = [
    SHOPS,
    {"namespaces": ["shop", "bakery"], "streams": ["extra"], "maxBytes": 1000},
    {"namespaces": ["*"], "streams": ["all"], "maxBytes": 24},
]


def granted(namespace: str = "shop", used: int = 0, **more: Any) -> Granted:
    found = granted_to(namespace, EVENTS, {"grants": GRANTS, **more}, used)
    assert found is not None
    return found


def test_without_a_grant_nothing_is_limited() -> None:
    assert granted_to("shop", EVENTS, {}, 0) is None
    assert granted_to("shop", EVENTS, {"grants": []}, 0) is None


def test_grants_of_a_namespace_add_up() -> None:
    found = granted()
    assert found.streams == ("shop-*", "legacy", "extra", "all")
    assert found.most_bytes == 10 * 1024 + 1000 + 24
    assert granted("bakery").subjects == ()
    assert granted("anybody").streams == ("all",)


@pytest.mark.parametrize("limit", [{}, {"maxBytes": -1}])
def test_one_grant_without_a_limit_is_without_one(limit: Spec) -> None:
    assert granted(grants=[*GRANTS, {"namespaces": ["shop"], **limit}]).most_bytes is None


def test_one_grant_without_names_lets_any_name_be() -> None:
    assert granted(grants=[*GRANTS, {"namespaces": ["shop"]}]).streams is None


def test_a_namespace_that_no_grant_names_gets_nothing() -> None:
    found = granted("stranger", grants=GRANTS[:1])
    assert list(ungranted({"name": "legacy"}, None, found)) == ["nothing is granted to it"]
    assert list(ungranted({"durable_name": "reader"}, None, found)) == []
    pushing = {"durable_name": "reader", "deliver_subject": "out.shop.x"}
    assert len(list(ungranted(pushing, None, found))) == 1


IN_GRANT: Spec = {"name": "shop-a", "subjects": ["shop.a"], "max_bytes": 100}


@pytest.mark.parametrize(
    "config, said",
    [
        (IN_GRANT, []),
        ({**IN_GRANT, "name": "other"}, ["name: other is not within streams (shop-*, "]),
        (
            {**IN_GRANT, "subjects": ["shop.a", "b"]},
            ["subjects: b is not within subjects (shop.>)"],
        ),
        ({**IN_GRANT, "subjects": ["*.a"]}, ["subjects: *.a is not within"]),
        ({"name": "shop-a", "max_bytes": 1}, ["subjects: shop-a is not within"]),
        ({"name": "shop-a", "mirror": {"name": "own"}, "max_bytes": 1}, []),
        (
            {**IN_GRANT, "republish": {"src": ">", "dest": "else.>"}},
            ["republish.destination: else.> is not within publishTo (out.shop.>)"],
        ),
        ({**IN_GRANT, "republish": {"src": ">", "dest": "out.shop.>"}}, []),
        ({**IN_GRANT, "republish": {"src": "shop.a", "dest": "shop.b"}}, []),
        ({**IN_GRANT, "sources": [{"name": "x", "external": {"api": "$JS.hub.API"}}]}, []),
        (
            {**IN_GRANT, "sources": [{"name": "x", "external": {"api": "imported"}}]},
            ["sources[0].external.apiPrefix: imported is not within publishTo"],
        ),
        ({**IN_GRANT, "max_bytes": -1}, ["maxBytes: the streams of a namespace with 11264 bytes"]),
        ({"name": "shop-a", "subjects": ["shop.a"]}, ["maxBytes: the streams of a namespace"]),
        (
            {**IN_GRANT, "max_bytes": 11265},
            ["maxBytes: 11265 bytes and the 0 of older resources are more than maxBytes 11264"],
        ),
        ({"durable_name": "reader"}, []),
        ({"durable_name": "reader", "deliver_subject": "out.shop.x"}, []),
        ({"durable_name": "reader", "deliver_subject": "x"}, ["deliverSubject: x is not within"]),
    ],
)
def test_what_is_not_granted_is_named_with_what_is(config: Spec, said: list[str]) -> None:
    found = list(ungranted(config, None, granted()))
    assert len(found) == len(said)
    for words, beginning in zip(found, said, strict=True):
        assert words.startswith(beginning)


def test_older_resources_come_first() -> None:
    assert list(ungranted({**IN_GRANT, "max_bytes": 264}, None, granted(used=11000))) == []
    (said,) = ungranted({**IN_GRANT, "max_bytes": 265}, None, granted(used=11000))
    assert "265 bytes and the 11000 of older resources" in said


def test_a_lowered_grant_stops_growth_and_takes_nothing_away() -> None:
    lowered = granted(grants=[{**SHOPS, "maxBytes": 50}])
    live = {"max_bytes": 100}
    assert list(ungranted(IN_GRANT, live, lowered)) == []
    assert list(ungranted({**IN_GRANT, "max_bytes": 90}, live, lowered)) == []
    assert len(list(ungranted({**IN_GRANT, "max_bytes": 101}, live, lowered))) == 1
    assert len(list(ungranted({**IN_GRANT, "max_bytes": -1}, live, lowered))) == 1


def test_many_granted_values_are_not_all_listed() -> None:
    many = granted(grants=[{"namespaces": ["shop"], "subjects": [f"s{n}" for n in range(9)]}])
    (said,) = ungranted({"name": "a", "subjects": ["x"]}, None, many)
    assert said.endswith("(s0, s1, s2, s3, s4 and more)")
    none = granted(grants=[{"namespaces": ["shop"]}])
    (said,) = ungranted({"name": "a", "subjects": ["x"]}, None, none)
    assert said.endswith("(nothing)")


def test_ones_own_streams_may_be_copied_and_those_that_are_granted() -> None:
    config = {"sources": [{"name": "own"}, {"name": "catalog"}, {"name": "theirs"}]}
    assert foreign_copies(config, "", ["own"], granted()) == [
        "sources[2].name: theirs is not within sourcesFrom (catalog)"
    ]


@pytest.mark.parametrize(
    "spec, size",
    [({}, 0), ({"maxBytes": -1}, 0), ({"maxBytes": "1Ki"}, 1024), ({"maxBytes": "x"}, 0)],
)
def test_a_size_that_is_none_counts_nothing(spec: Spec, size: int) -> None:
    assert declared_bytes(spec) == size
