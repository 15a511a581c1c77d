"""Random hands on JetStream: somebody with a command line deletes, edits and purges."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from soak.feed import Feed
from soak.findings import Findings
from soak.jetstream import AWAY, Account, JetStream, Refused, number

Json = dict[str, Any]


class Hands:
    """One account's; what they remove is written down before they do it.

    So it is counted as removed also when nobody knows whether NATS still heard of it.
    """

    def __init__(
        self,
        account: Account,
        feeds: Callable[[], Sequence[Feed]],
        findings: Findings,
        random: Random,
    ) -> None:
        self._account = account
        self._feeds = feeds
        self._findings = findings
        self._random = random

    async def act(self) -> None:
        """Do one thing to one stream or its consumer."""
        acts = {
            self._edit_stream: 4,
            self._strip_stream: 2,
            self._delete_stream: 2,
            self._purge_stream: 1,
            self._delete_message: 3,
            self._edit_consumer: 4,
            self._delete_consumer: 3,
        }
        (act,) = self._random.choices(list(acts), list(acts.values()))
        feeds = self._feeds()
        if not feeds:
            return
        feed = self._random.choice(feeds)
        async with feed.lock:
            # What a suspended or refused stream would be made of again is nobody's promise.
            if feed.is_ending or feed.is_risky:
                return
            try:
                async with self._account.jetstream() as jetstream:
                    await act(jetstream, feed)
            except AWAY:
                self._findings.did("a hand found nobody")
            except Refused as error:
                self._findings.did("a hand was refused", str(error))

    async def _edit_stream(self, jetstream: JetStream, feed: Feed) -> None:
        change = self._random.choice(
            (
                {"description": "by hand"},
                {"max_age": self._random.randrange(10**15, 10**16)},
                {"duplicate_window": self._random.randrange(10**10, 10**11)},
                {"subjects": [f"{feed.name}.>", f"{feed.name}-by-hand"]},
            )
        )
        await self._update(jetstream, feed, change, "edited a stream by hand")

    async def _strip_stream(self, jetstream: JetStream, feed: Feed) -> None:
        await self._update(jetstream, feed, {"metadata": {}}, "stripped a stream by hand")

    async def _delete_stream(self, jetstream: JetStream, feed: Feed) -> None:
        self._findings.did("deleted a stream by hand", feed.name)
        feed.messages.remove_all()
        await jetstream.ask(f"STREAM.DELETE.{feed.name}")

    async def _purge_stream(self, jetstream: JetStream, feed: Feed) -> None:
        self._findings.did("purged a stream by hand", feed.name)
        feed.messages.remove_all()
        await jetstream.ask(f"STREAM.PURGE.{feed.name}")

    async def _delete_message(self, jetstream: JetStream, feed: Feed) -> None:
        body = {"seq": 1, "next_by_subj": ">"}
        found = (await jetstream.ask(f"STREAM.MSG.GET.{feed.name}", body)).get("message")
        if found:
            self._findings.did("deleted a message by hand", feed.name)
            feed.messages.removed.add(number(found))
            await jetstream.ask(f"STREAM.MSG.DELETE.{feed.name}", {"seq": found["seq"]})

    async def _edit_consumer(self, jetstream: JetStream, feed: Feed) -> None:
        info = await jetstream.ask(f"CONSUMER.INFO.{feed.name}.{feed.consumer_name}")
        if info:
            change: Json = self._random.choice(
                (
                    {"description": "by hand"},
                    {"ack_wait": self._random.randrange(10**9, 10**10)},
                    {"max_ack_pending": self._random.randrange(10, 100)},
                    {"metadata": {}},
                )
            )
            self._findings.did("edited a consumer by hand", f"{feed.consumer_name} {change}")
            config = {**info["config"], **change}
            body = {"stream_name": feed.name, "config": config, "action": "update"}
            await jetstream.ask(f"CONSUMER.CREATE.{feed.name}.{feed.consumer_name}", body)

    async def _delete_consumer(self, jetstream: JetStream, feed: Feed) -> None:
        self._findings.did("deleted a consumer by hand", feed.consumer_name)
        await jetstream.ask(f"CONSUMER.DELETE.{feed.name}.{feed.consumer_name}")

    async def _update(self, jetstream: JetStream, feed: Feed, change: Json, act: str) -> None:
        if info := await jetstream.ask(f"STREAM.INFO.{feed.name}"):
            self._findings.did(act, f"{feed.name} {change}")
            await jetstream.ask(f"STREAM.UPDATE.{feed.name}", {**info["config"], **change})
