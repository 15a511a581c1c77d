"""The judgement of what an object can reach agrees with what real servers publish and capture.

Each example is a stream made past the judgement. Messages that lead into a forbidden space, if any
does, are published, and who listens everywhere hears what the server makes of them.
"""

import asyncio
import itertools
import json
from collections.abc import Iterable
from typing import Any

import nats
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.aio.msg import Msg

from controlplane.nats import NatsServer
from coze_nats.core.fences import Fences, trespasses

Config = dict[str, Any]

SPACES = ("$JS", "_INBOX")
# What a publisher can write to have each function make a forbidden first token of it.
TELLING = (*SPACES, "$JS-a", "-$JS", "$JSa", "a$JS", "_INBOX-a", "_INBOXa", "a_INBOX", "a", "b")

_pattern = st.builds(
    lambda tokens, end: ".".join([*tokens, *end]),
    st.lists(st.sampled_from(("a", "b", "*", "*", "$JS", "_INBOX")), min_size=1, max_size=2),
    st.sampled_from(([], [">"])),
)
_FUNCTIONS = (
    *("{{wildcard(1)}}", "{{wildcard(2)}}", "$1", "$2", "{{partition(2,1)}}"),
    *("{{split(1,-)}}", "{{splitFromLeft(1,3)}}", "{{SplitFromRight(1,3)}}"),
    *("{{sliceFromLeft(1,3)}}", "{{slicefromright(1,3)}}", "{{split(2,-)}}"),
)
_words = st.lists(
    st.sampled_from(("out", "x", "$JS", *_FUNCTIONS, *_FUNCTIONS)), min_size=1, max_size=2
)


def _transform(source: str, words: list[str]) -> Config:
    """A transform that servers take: its functions have wildcards, and > goes to >."""
    wildcards = source.count("*")
    fitting = [word if "1" in word or wildcards > 1 else word.replace("2", "1") for word in words]
    tokens = fitting if wildcards else ["x" if word in _FUNCTIONS else word for word in words]
    return {"src": source, "dest": ".".join([*tokens, *([">"] if source.endswith(">") else [])])}


def _stream(subject: str, republished: list[str], stored: list[str], *, wide: bool) -> Config:
    """A stream with republish, subject_transform or both; with wide, for all first tokens."""
    first, *rest = subject.split(".")
    source = ".".join(["*", *rest]) if wide and first != ">" else subject
    found: Config = {"name": "tried", "subjects": [subject]}
    if republished:
        found["republish"] = _transform(source, republished)
    if stored:
        found["subject_transform"] = _transform(source, stored)
    return found


streams = st.builds(
    _stream, _pattern, st.just([]) | _words, st.just([]) | _words, wide=st.booleans()
)


def is_exact(config: Config) -> bool:
    """Whether no function cuts a token of which something is known into several.

    What it makes of such a one is not looked into: it counts as whatever could be cut so.
    """
    cuts = "li" in json.dumps(config).lower()
    known = len({"republish", "subject_transform"} & config.keys()) > 1
    return not cuts or not (
        known or config.get("republish", {}).get("src") != config["subjects"][0]
    )


def literals(patterns: Iterable[str]) -> list[str]:
    """Messages that the patterns match: every telling token for every wildcard."""
    found = []
    for pattern in patterns:
        choices: list[tuple[str, ...]] = [
            TELLING if part == "*" else (part,) for part in pattern.split(".") if part != ">"
        ]
        if pattern.endswith(">"):
            choices.append(TELLING)
        found += [".".join(words) for words in itertools.product(*choices)]
        if pattern.endswith(">"):
            choices.append(("a",))
            found += [".".join(words) for words in itertools.product(*choices)]
    return found


def is_forbidden(subject: str) -> bool:
    first, _, rest = subject.partition(".")
    return first in SPACES and bool(rest) and not subject.startswith("$JS.EVENT.")


class Ear:
    """Who hears everything that is published, and publishes."""

    def __init__(self, server: NatsServer) -> None:
        self.url = server.url
        self.heard: list[Msg] = []
        self.client = Client()

    async def connect(self) -> None:
        self.client = await nats.connect(self.url, inbox_prefix=b"answers")
        for space in SPACES:
            await self.client.subscribe(f"{space}.>", cb=self._hear)

    async def _hear(self, message: Msg) -> None:
        if (message.headers or {}).get("Nats-Stream") == "tried":
            self.heard.append(message)

    async def ask(self, call: str, /, **payload: Any) -> dict[str, Any]:
        answer = await self.client.request(f"$JS.API.{call}", json.dumps(payload).encode(), 10)
        return dict(json.loads(answer.data))

    async def try_out(self, config: Config, messages: list[str]) -> tuple[bool, bool] | None:
        """Whether a forbidden subject was published and captured; None: no such stream is made."""
        self.heard.clear()
        # Some streams republish into themselves, which ends when they take no more.
        full = {"max_msgs": 2 * len(messages) + 10, "discard": "new"}
        config = {**config, **full, "storage": "memory", "no_ack": True}
        made = await self.ask("STREAM.CREATE.tried", **config)
        if "error" in made:
            return None
        try:
            for subject in messages:
                await self.client.publish(subject, b"")
            await self.client.publish("done.$JS", b"")
            await self.client.flush()
            await self._settled()
            published = any(is_forbidden(message.subject) for message in self.heard)
            return published, await self._captures()
        finally:
            await self.client.request("$JS.API.STREAM.DELETE.tried", b"", 10)

    async def _settled(self) -> None:
        """Wait until the server has stored all, and so has republished all."""
        last, now = -1, 0
        while last < now:
            last = now
            now = (await self.ask("STREAM.INFO.tried"))["state"]["last_seq"]
            await self.client.flush()

    async def _captures(self) -> bool:
        """Whether the server would store something that is sent in a forbidden space."""
        found = [await self.ask("STREAM.NAMES", subject=f"{space}.>") for space in SPACES]
        return any(each.get("streams") for each in found)


def judged(config: Config) -> tuple[bool, bool]:
    fields = {each.reach.field for each in trespasses(config, Fences())}
    return "republish.destination" in fields, "subjects" in fields


@pytest.mark.slow
@pytest.mark.parametrize("nats_server", ["2.10.26", "2.12.8", "2.14.6", "2.15.1"], indirect=True)
def test_what_a_stream_can_reach_is_what_a_server_does(nats_server: NatsServer) -> None:
    tried = {True: 0, False: 0}
    with asyncio.Runner() as runner:
        ear = Ear(nats_server)
        runner.run(ear.connect())

        @settings(
            max_examples=60,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        )
        @given(streams)
        def agrees(config: Config) -> None:
            found = runner.run(ear.try_out(config, literals(config["subjects"])))
            if found is not None:
                reached, taken = judged(config)
                assert taken == found[1]
                assert reached == found[0] or (reached and not is_exact(config))
                tried[found[0]] += 1

        agrees()
        runner.run(ear.client.close())
    assert min(tried.values()) > 5, tried
