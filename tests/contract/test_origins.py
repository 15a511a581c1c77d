"""What servers tell of the streams that a copy is made from, on which the statuses rely."""

from coze_nats.core.live import Origin
from coze_nats.core.replication import PROMPT
from coze_nats.jetstream.gateway import Gateway
from support.eventually import eventually_async


async def origin_of(jetstream: Gateway, copy: str) -> Origin:
    found = await jetstream.stream(copy)
    assert found
    return found.origins[0]


async def test_of_an_origin_a_server_tells_whether_it_is_heard_or_missing_or_nothing(
    jetstream: Gateway,
) -> None:
    await jetstream.create_stream({"name": "origin", "subjects": ["origin"]})
    external = {"api": "$JS.nowhere.API"}
    for name, mirror in (
        ("idle", {"name": "origin"}),
        ("filtered", {"name": "origin", "filter_subject": "nothing.like.it"}),
        ("missing", {"name": "nowhere"}),
        ("unreached", {"name": "origin", "external": external}),
    ):
        created = await jetstream.create_stream({"name": name, "mirror": mirror})
        assert created.origins[0].heard_ago is None
    sources = [{"name": "origin"}, {"name": "nowhere"}]
    await jetstream.create_stream({"name": "sourced", "sources": sources})

    async def all_told() -> bool:
        heard = [(await origin_of(jetstream, name)).heard_ago for name in ("idle", "filtered")]
        error = (await origin_of(jetstream, "missing")).error
        return None not in heard and bool(error)

    await eventually_async(all_told, 20, "two origins to be heard, and one to be missing")
    assert (await origin_of(jetstream, "missing")).error == "stream not found (10059)"
    assert (await origin_of(jetstream, "unreached")) == Origin("origin", "$JS.nowhere.API")

    async def is_heard_promptly() -> bool:
        origin = await origin_of(jetstream, "idle")
        return origin.heard_ago is not None and origin.heard_ago < PROMPT and not origin.error

    await eventually_async(is_heard_promptly, 20, "an idle origin to be heard")
    listed = (await jetstream.streams()).found
    assert [origin.name for origin in listed["sourced"].origins] == ["nowhere", "origin"]
    assert listed["missing"].origins[0].error == "stream not found (10059)"
