"""Those who declare: they create, change, suspend and delete resources, and err now and then."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from coze_nats.core import names
from soak.feed import Feed
from soak.findings import Findings
from soak.jetstream import AWAY, Account
from soak.site import LOGIN, OWN, TENANT, Site
from support.declaring import Declaring, is_ready
from support.eventually import eventually_async

GONE_SECONDS = 300.0
REST_SECONDS = 240.0
GUESTS = 2

Json = dict[str, Any]


class Users:
    """Everybody who declares in one namespace.

    Attributes:
        feeds: all that is declared and isn't being deleted.
    """

    def __init__(
        self, site: Site, declaring: Declaring, findings: Findings, random: Random, base: int
    ) -> None:
        """There are `base` streams at rest, and about as many in between."""
        self.feeds: list[Feed] = []
        self.declaring = declaring
        self._site = site
        self._findings = findings
        self._random = random
        self._base = base
        self._count = 0
        self._burials: set[asyncio.Task[None]] = set()
        # Connections that come and go, with the feeds on them.
        self._guests: dict[str, list[Feed]] = {}

    async def begin(self) -> None:
        """Declare the lasting connection and the first streams."""
        await self.declaring.create([self._connection(TENANT.lower())])
        await self._to_base()

    async def act(self) -> None:
        """Do one thing."""
        acts: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (3, self._declare_one),
            (3, self._delete_one),
            (4, self._change_stream),
            (3, self._change_consumer),
            (1, self._renew_consumer),
            (1, self._suspend_or_resume),
            (1, self._err_or_give_in),
            (1, self._guest_comes_or_goes),
        ]
        weights = [weight for weight, _ in acts]
        ((_, act),) = self._random.choices(acts, weights)
        await act()

    async def rest(self) -> None:
        """Put everything right, and wait until all of it is Ready, or gone."""
        for guest in tuple(self._guests):
            self._guest_goes(guest)
        for feed in self.feeds:
            await self._put_right(feed)
        await self._to_base()
        await asyncio.gather(*self._burials)
        try:
            await eventually_async(self._is_done, REST_SECONDS, "every resource Ready, or gone")
        except AssertionError as error:
            for found in await self.declaring.not_ready():
                self._findings.breaks("everything is Ready at rest", found)
            self._findings.say(str(error))

    # --- what they do -----------------------------------------------------------------------------

    async def _declare_one(self) -> None:
        if len(self.feeds) < self._base * 1.3:
            tenant = self._random.random() < 0.5
            await self._declare(TENANT.lower() if tenant else None)

    async def _declare(self, connection: str | None) -> Feed:
        self._count += 1
        name = f"{self.declaring.namespace}-{self._count:05}"
        feed = Feed(
            name,
            self.declaring.namespace,
            account=TENANT if connection else OWN,
            stream={
                "subjects": [f"{name}.>"],
                "retention": self._random.choice(("limits", "workqueue")),
                "policies": {"deletion": self._random.choice(("Delete", "DeleteIfEmpty"))},
                **({"connection": {"name": connection}} if connection else {}),
            },
            # By default a durable that somebody used stays, and a work queue then takes no other.
            consumer={
                "streamRef": {"name": name},
                "ackWait": "5s",
                "policies": {"deletion": "Delete"},
            },
            consumer_name=f"{name}-1",
        )
        self._findings.did("declared", name)
        await self.declaring.create([self._stream(feed), self._consumer(feed)])
        self.feeds.append(feed)
        return feed

    async def _delete_one(self) -> None:
        lasting = [each for each in self.feeds if not self._is_guest(each)]
        if len(lasting) > self._base * 0.7:
            self._bury(self._random.choice(lasting))

    async def _change_stream(self) -> None:
        if feed := self._any():
            change = self._random.choice(
                (
                    {"description": f"the {self._random.randrange(10**6)}th"},
                    {"maxAge": f"{self._random.randrange(100, 200)}h"},
                    {"maxMsgs": self._random.randrange(10**6, 10**7)},
                    {"duplicateWindow": f"{self._random.randrange(10, 90)}s"},
                    {"description": None},
                    {"maxMsgs": None},
                )
            )
            await self._change(feed, change, "changed a CozeStream")

    async def _change_consumer(self) -> None:
        if feed := self._any():
            change = self._random.choice(
                (
                    {"description": f"the {self._random.randrange(10**6)}th"},
                    {"ackWait": f"{self._random.randrange(4, 9)}s"},
                    {"maxAckPending": self._random.randrange(100, 1000)},
                    {"maxAckPending": None},
                )
            )
            self._findings.did("changed a CozeConsumer", feed.name)
            feed.consumer = _merged(feed.consumer, change)
            await self.declaring.change([self._consumer(feed)], change)

    async def _renew_consumer(self) -> None:
        if feed := self._any():
            self._findings.did("replaced a CozeConsumer by another", feed.name)
            await self.declaring.delete([self._consumer(feed)])
            feed.consumer_name = f"{feed.name}-{self._random.randrange(2, 10**6)}"
            await self.declaring.create([self._consumer(feed)])

    async def _suspend_or_resume(self) -> None:
        if feed := self._any():
            suspend = None if feed.stream.get("suspend") else True
            await self._change(feed, {"suspend": suspend}, "suspended or resumed a CozeStream")

    async def _err_or_give_in(self) -> None:
        risky = [feed for feed in self.feeds if feed.is_risky]
        if risky:
            await self._give_in(self._random.choice(risky))
        elif feed := self._any():
            feed.is_risky = True
            other = "workqueue" if feed.stream["retention"] == "limits" else "limits"
            await self._change(feed, {"retention": other}, "declared what NATS can't change")

    async def _guest_comes_or_goes(self) -> None:
        if len(self._guests) >= GUESTS:
            self._guest_goes(self._random.choice(sorted(self._guests)))
            return
        self._count += 1
        name = f"guest-{self._count:05}"
        self._findings.did("declared a CozeConnection", name)
        await self.declaring.create([self._connection(name)])
        self._guests[name] = [await self._declare(name) for _ in range(2)]

    # --- how they do it ---------------------------------------------------------------------------

    def _any(self) -> Feed | None:
        return self._random.choice(self.feeds) if self.feeds else None

    def _is_guest(self, feed: Feed) -> bool:
        return any(feed in feeds for feeds in self._guests.values())

    def _guest_goes(self, name: str) -> None:
        feeds = self._guests.pop(name)
        burials = [self._bury(feed) for feed in feeds]

        async def follow() -> None:
            await asyncio.gather(*burials)
            self._findings.did("deleted a CozeConnection", name)
            await self._delete([self._connection(name)])

        self._in_the_background(follow())

    def _bury(self, feed: Feed) -> asyncio.Task[None]:
        feed.is_ending = True
        self.feeds.remove(feed)
        self._findings.did("deleted", feed.name)
        return self._in_the_background(self._buried(feed))

    def _in_the_background(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._burials.add(task)
        task.add_done_callback(self._burials.discard)
        return task

    async def _buried(self, feed: Feed) -> None:
        """Delete the resources, and see what has become of the stream and its messages."""
        async with feed.lock:
            await self._put_right(feed)
        await self._delete([self._consumer(feed), self._stream(feed)])
        account = self._site.accounts[feed.account]
        left = await patiently(lambda: _numbers(account, feed.name))
        if feed.deletes:
            feed.messages.remove_all()
            if left is not None:
                self._findings.breaks("nothing is left over", f"{feed.name}, to be deleted")
        if lost := feed.messages.open - (left or set()):
            self._findings.breaks("nothing is lost", f"{feed.name}: {_shown(lost)}, on deletion")
        self._site.book.close(feed, left or set())
        if left is not None:
            self._findings.did("tidied up a stream that was kept", feed.name)
            await patiently(lambda: _ask(account, f"STREAM.DELETE.{feed.name}"))

    async def _delete(self, resources: list[Json]) -> None:
        await self.declaring.delete(resources)

        async def gone() -> bool:
            return not any([await self.declaring.get(each) for each in resources])

        try:
            await eventually_async(gone, GONE_SECONDS, "the end of what was deleted")
        except AssertionError:
            names_ = [each["metadata"]["name"] for each in resources]
            self._findings.breaks("what is deleted goes", f"{names_}")

    async def _put_right(self, feed: Feed) -> None:
        if feed.stream.get("suspend"):
            await self._change(feed, {"suspend": None}, "suspended or resumed a CozeStream")
        if feed.is_risky:
            await self._give_in(feed)

    async def _give_in(self, feed: Feed) -> None:
        """Declare what is there."""
        account = self._site.accounts[feed.account]
        info = await patiently(lambda: _ask(account, f"STREAM.INFO.{feed.name}"))
        if info:
            change = {"retention": info["config"]["retention"]}
            await self._change(feed, change, "declared what is there")
        feed.is_risky = False

    async def _change(self, feed: Feed, change: Json, act: str) -> None:
        self._findings.did(act, f"{feed.name} {change}")
        feed.stream = _merged(feed.stream, change)
        await self.declaring.change([self._stream(feed)], change)

    async def _to_base(self) -> None:
        while len(self.feeds) > self._base:
            self._bury(self.feeds[0])
        while len(self.feeds) < self._base:
            # The same share of both connections, for figures that can be compared.
            on_tenant = sum(feed.account == TENANT for feed in self.feeds)
            await self._declare(TENANT.lower() if 2 * on_tenant < self._base else None)

    async def _is_done(self) -> bool:
        found = await self.declaring.all()
        declared = {TENANT.lower()}
        for feed in self.feeds:
            declared |= {feed.name, feed.consumer_name}
        return {each["metadata"]["name"] for each in found} == declared and all(
            map(is_ready, found)
        )

    # --- resources --------------------------------------------------------------------------------

    def _stream(self, feed: Feed) -> Json:
        return self.declaring.resource(names.STREAM_KIND, feed.name, feed.stream)

    def _consumer(self, feed: Feed) -> Json:
        return self.declaring.resource(names.CONSUMER_KIND, feed.consumer_name, feed.consumer)

    def _connection(self, name: str) -> Json:
        def key(key: str) -> Json:
            return {"secretKeyRef": {"name": LOGIN, "key": key}}

        login = {"userPassword": {"username": key("username"), "password": key("password")}}
        spec = {"servers": [self._site.to_nats_url(self.declaring.namespace)], "auth": login}
        return self.declaring.resource(names.CONNECTION_KIND, name, spec)


async def patiently(ask: Callable[[], Awaitable[Any]], within: float = 300) -> Any:
    """Ask until NATS answers."""
    async with asyncio.timeout(within):
        while True:
            try:
                return await ask()
            except AWAY:
                await asyncio.sleep(0.2)


async def _numbers(account: Account, stream: str) -> set[int] | None:
    async with account.jetstream() as jetstream:
        return await jetstream.numbers(stream)


async def _ask(account: Account, verb: str) -> Json:
    async with account.jetstream() as jetstream:
        return await jetstream.ask(verb)


def _merged(spec: Json, change: Json) -> Json:
    return {key: value for key, value in {**spec, **change}.items() if value is not None}


def _shown(numbers: set[int]) -> str:
    return f"{len(numbers)} messages, among them {sorted(numbers)[:5]}"
