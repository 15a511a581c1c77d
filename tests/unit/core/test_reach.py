"""What objects make servers publish and capture; tests/contract/test_reach.py asks real ones."""

from typing import Any

import pytest

from coze_nats.core.reach import captured, published, stored_subjects, transformed
from coze_nats.core.subjects import A_NUMBER

Config = dict[str, Any]


@pytest.mark.parametrize(
    "subject, source, destination, made",
    [
        ("in.*", "in.*", "out.{{wildcard(1)}}", "out.*"),
        ("in.a", "in.*", "out.{{wildcard(1)}}", "out.a"),
        ("in.a.*", "in.*.*", "$2.{{ Wildcard( 1 ) }}", "*.a"),
        ("in.a.b", "in.*.*", "{{wildcard(0)}}.x", "in.x"),
        ("in.*", "in.*", "{{partition(3,1)}}.x", f"{A_NUMBER}.x"),
        ("in.*", "in.*", "{{random(3)}}.x", f"{A_NUMBER}.x"),
        ("in.*", "in.*", "{{left(1,2)}}.x", "*.x"),
        ("in.*", "in.*", "a.{{split(1,-)}}.x", "a.>"),
        ("in.*", "in.*", "{{sliceFromLeft(1,2)}}", ">"),
        ("in.>", "in.>", "out.>", "out.>"),
        ("in.a.b", "in.>", ">", "a.b"),
        ("in.a.>", "in.>", "out.>", "out.a.>"),
        ("in.a", ">", ">", "in.a"),
        ("in.a", ">", "out.>", "out.in.a"),
        ("in", "in", "out.$JS", "out.$JS"),
        ("in.*", "in.*", "{{unheard of}}", "{{unheard of}}"),
    ],
)
def test_a_transform_makes_of_a_subject_what_the_server_makes_of_it(
    subject: str, source: str, destination: str, made: str
) -> None:
    assert transformed(subject, source, destination) == made


@pytest.mark.parametrize(
    "config, stored",
    [
        ({"name": "orders"}, ("orders",)),
        ({"name": "orders", "subjects": ["a", "b.*"]}, ("a", "b.*")),
        ({"mirror": {"name": "far"}}, (">",)),
        ({"sources": [{"name": "far", "filter_subject": "in.>"}]}, ("in.>",)),
        (
            {
                "subjects": ["a"],
                "sources": [
                    {
                        "name": "far",
                        "subject_transforms": [
                            {"src": "in.*", "dest": "out.{{wildcard(1)}}"},
                            {"src": "as.is", "dest": ""},
                        ],
                    }
                ],
            },
            ("a", "out.*", "as.is"),
        ),
        (
            {"subjects": ["in.*", "b"], "subject_transform": {"src": "in.a", "dest": "c"}},
            ("c", "in.*", "b"),
        ),
        ({"subjects": ["in.*"], "subject_transform": {"src": ">", "dest": "c.>"}}, ("c.in.*",)),
    ],
)
def test_a_stream_stores_its_subjects_and_those_of_its_origins_under_their_new_names(
    config: Config, stored: tuple[str, ...]
) -> None:
    assert stored_subjects(config) == stored


@pytest.mark.parametrize(
    "config, reached",
    [
        ({"name": "orders"}, []),
        ({"subjects": ["in.*"], "republish": {"dest": "out.>"}}, ["out.in.*"]),
        ({"subjects": ["in.*", "b"], "republish": {"src": "b", "dest": "c"}}, ["c"]),
        ({"subjects": ["in.*"], "republish": {"src": "other.*", "dest": "c"}}, []),
        ({"deliver_subject": "to.here"}, ["to.here"]),
        (
            {
                "mirror": {
                    "name": "far",
                    "external": {"api": "$JS.hub.API", "deliver": "from.hub"},
                }
            },
            ["$JS.hub.API.CONSUMER.>", "from.hub.>"],
        ),
        ({"sources": [{"name": "far", "external": {"api": "a", "deliver": ""}}]}, ["a.CONSUMER.>"]),
    ],
)
def test_an_object_publishes_what_it_republishes_delivers_and_asks_for(
    config: Config, reached: list[str]
) -> None:
    assert [each.subject for each in published(config)] == reached


def test_a_stream_captures_its_subjects_and_what_a_sources_consumer_delivers() -> None:
    source = {"name": "far", "consumer": {"name": "reader", "deliver_subject": "to.here"}}
    config = {"subjects": ["a", "b.>"], "sources": [{"name": "near"}, source]}
    assert [each.subject for each in captured(config)] == ["a", "b.>", "to.here"]
