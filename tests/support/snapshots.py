"""Streams as backups have them: saved with their consumers, and restored, by `$JS.API`."""

import json
from typing import Any, NamedTuple

from nats.aio.client import Client

_SECONDS = 30


class Saved(NamedTuple):
    """A stream in a file, so to say."""

    config: dict[str, Any]
    state: dict[str, Any]
    chunks: list[bytes]


async def saved(client: Client, stream: str) -> Saved:
    """Save a stream of storage `file` with all that it holds."""
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)
    answer = await _api(client, f"STREAM.SNAPSHOT.{stream}", {"deliver_subject": inbox})
    chunks: list[bytes] = []
    while True:
        message = await subscription.next_msg(timeout=_SECONDS)
        if not message.data:
            break
        chunks.append(message.data)
        if message.reply:
            await message.respond(b"")
    await subscription.unsubscribe()
    return Saved(answer["config"], answer["state"], chunks)


async def restored(client: Client, backup: Saved) -> None:
    """Make a saved stream again; there must be none of its name."""
    request = {"config": backup.config, "state": backup.state}
    answer = await _api(client, f"STREAM.RESTORE.{backup.config['name']}", request)
    for chunk in (*backup.chunks, b""):
        reply = await client.request(answer["deliver_subject"], chunk, timeout=_SECONDS)
        assert b"error" not in reply.data, reply.data


async def _api(client: Client, verb: str, body: dict[str, Any]) -> dict[str, Any]:
    reply = await client.request(f"$JS.API.{verb}", json.dumps(body).encode(), timeout=_SECONDS)
    answer: dict[str, Any] = json.loads(reply.data)
    assert "error" not in answer, answer
    return answer
