"""JetStream that is not at `$JS.API`: domains over a leaf node, and an API that is imported."""

from collections.abc import Callable
from pathlib import Path

import pytest

from connections.systems import VERSIONS, Identities
from controlplane import ports
from controlplane.nats import NatsServer
from coze_nats.core.login import prefix_of_domain
from coze_nats.jetstream.gateway import Gateway
from support.connections import connected
from support.eventually import eventually_async

RunServer = Callable[..., NatsServer]
STREAM = {"name": "orders", "storage": "memory"}

pytestmark = pytest.mark.parametrize(
    "version",
    [pytest.param(each, marks=() if each == "2.14.6" else pytest.mark.slow) for each in VERSIONS],
)


async def test_the_domain_says_which_jetstream_of_a_leaf_node_and_its_hub_is_meant(
    run_server: RunServer, identities: Identities, tmp_path: Path, version: str
) -> None:
    creds = tmp_path / "leaf.creds"
    creds.write_text(identities.user.creds)
    port = ports.free()
    listening = f'leafnodes {{ listen: "127.0.0.1:{port}" }}'
    remote = (
        f'leafnodes {{ remotes: [{{ url: "nats-leaf://127.0.0.1:{port}", '
        f'credentials: "{creds}", account: {identities.account.public} }}] }}'
    )
    hub, leaf = (
        run_server(version, domain=domain, config=f"{identities.operator.config}\n{block}")
        for domain, block in (("hub", listening), ("leaf", remote))
    )
    login = {"creds": identities.user.creds, "request_timeout": 2}
    async with (
        connected(leaf.url, **login) as at_leaf,
        connected(leaf.url, api_prefix=prefix_of_domain("hub"), **login) as at_hub,
        connected(hub.url, **login) as directly,
    ):
        here, there = Gateway(at_leaf), Gateway(at_hub)

        async def linked() -> bool:
            return bool(leaf.monitor("/leafz").get("leafnodes"))

        await eventually_async(linked, 20)
        for gateway, subject in ((here, "here"), (there, "there")):
            await gateway.create_stream({**STREAM, "subjects": [f"{subject}.>"]})
        for gateway, subject in ((here, "here"), (there, "there"), (Gateway(directly), "there")):
            found = await gateway.stream("orders")
            assert found
            assert found.config["subjects"] == [f"{subject}.>"]
        await here.delete_stream("orders")
        assert await there.stream("orders")


async def test_the_prefix_leads_to_an_api_that_another_account_exports(
    run_server: RunServer, version: str
) -> None:
    server = run_server(
        version,
        config="""
            accounts {
              EVENTS {
                jetstream: enabled
                users: [{ user: owner, password: an-example }]
                exports: [{ service: "$JS.API.>", response_type: stream }]
              }
              PLATFORM {
                users: [{ user: guest, password: an-example }]
                imports: [
                  { service: { account: EVENTS, subject: "$JS.API.>" }, to: "events.API.>" }
                ]
              }
            }
        """,
    )
    guest = {"user": "guest", "password": "an-example", "api_prefix": "events.API"}
    async with (
        connected(server.url, **guest) as from_platform,
        connected(server.url, user="owner", password="an-example") as from_events,
    ):
        assert (await Gateway(from_platform).server()).version == version
        await Gateway(from_platform).create_stream(STREAM)
        assert await Gateway(from_events).stream("orders")
        assert set((await Gateway(from_platform).streams()).found) == {"orders"}
        await Gateway(from_platform).delete_stream("orders")
        assert await Gateway(from_events).stream("orders") is None
