"""What is being listed and watched, seen from the requests themselves.

Kopf tells nobody whether its watches are open, when their first listing was complete, or that it
had to list anew because it lost track; readiness and the cache depend on all three.

Nor does it tell when it has passed on all that it has read: each resource waits for a task of its
own, while the watch begins. So what is in the lists is noted, and what the operator has heard of.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable
from http import HTTPStatus
from typing import Any

import aiohttp

from coze_nats.core import names

log = logging.getLogger(__name__)

UNSERVED_DELAY = 5.0
"""Seconds until a kind whose CRD is missing is asked for again."""

STUCK_SECONDS = 400.0
"""A watch is asked for anew after 310 s at the latest (see `handlers`), after an error sooner."""

_NO_MORE_PAGES = frozenset({HTTPStatus.GONE, HTTPStatus.BAD_REQUEST})
"""Answers to the question for a list's next page, when what it was made of is there no more."""

Place = tuple[str, str | None]
"""A kind, and a namespace or None for all: what one list or watch covers."""


def path_of(kind: str, namespace: str | None) -> str:
    """The path at which the apiserver serves the resources of a kind."""
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{names.API_VERSION}{scope}/{names.PLURALS[kind]}"


def _words(place: Place) -> str:
    kind, namespace = place
    return f"{names.PLURALS[kind]} in {namespace or 'all namespaces'}"


class Answer(aiohttp.ClientResponse):
    """An answer of the apiserver that tells what has been read in it."""

    on_read: Callable[[Any], None] = staticmethod(lambda _: None)

    async def json(self, **options: Any) -> Any:
        """As aiohttp has it; who gets something else than JSON may try again."""
        try:
            document = await super().json(**options)
        except (ValueError, aiohttp.ContentTypeError) as error:
            raise aiohttp.ClientPayloadError("the answer is not JSON") from error
        self.on_read(document)
        return document


class Watches:
    """The watches of all kinds in the given namespaces; none given means all of them.

    Attributes:
        places: what is to be watched.
        filled: set once everything has been listed, and the operator has heard of all of it.
        on_relist: called when a list is answered that is not the first, also if an earlier one
            broke off: whatever was deleted before the answer made no event and never will.
        on_resume: called when a watch is open that is not the first, with the resourceVersion from
            which it goes on: as far as Kopf has heard.
    """

    def __init__(
        self,
        namespaces: Iterable[str] = (),
        *,
        unserved_delay: float = UNSERVED_DELAY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        scopes: Collection[str | None] = tuple(namespaces) or (None,)
        self.places = tuple((kind, scope) for kind in names.PLURALS for scope in scopes)
        self.filled = asyncio.Event()
        self.on_relist: Callable[[Place], None] = lambda _: None
        self.on_resume: Callable[[Place, str], None] = lambda *_: None
        self._by_path = {path_of(*place): place for place in self.places}
        # Of which a first page was answered; and all pages.
        self._begun: set[Place] = set()
        self._listed: set[Place] = set()
        # The uids of what Kopf has read in lists and not passed on yet; None when all is `filled`.
        self._unheard: set[str] | None = set()
        self._open: dict[Place, aiohttp.ClientResponse] = {}
        self._troubles: dict[Place, str] = {}
        self._unserved_delay = unserved_delay
        self._clock = clock
        # When Kopf last asked for them; of all of them from the first request on.
        self._asked_at: dict[Place, float] = {}

    def closed(self) -> list[str]:
        """What should be watched and is not now, in words."""
        return [
            f"{_words(place)}{self._troubles.get(place, '')}"
            for place in self.places
            if (response := self._open.get(place)) is None or response.closed
        ]

    def stuck(self) -> list[str]:
        """What Kopf has lost, in words: it has not asked for it for so long.

        An apiserver that is away is asked again and again, and one that is there ends a watch
        after a while, also one on which nothing happens.
        """
        now = self._clock()
        return [
            _words(place)
            for place, asked_at in self._asked_at.items()
            if now - asked_at > STUCK_SECONDS
        ]

    def heard(self, uid: str) -> None:
        """The operator has heard of a resource."""
        if self._unheard is not None:
            self._unheard.discard(uid)
            self._look_whether_filled()

    async def follow(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Middleware of the session that Kopf uses."""
        place = self._by_path.get(request.url.path)
        if place is None or request.method != "GET":
            return await send(request)
        self._note(place)
        if "watch" not in request.url.query:
            response = await self._send_while_unserved(place, request, send)
            if response.status in _NO_MORE_PAGES and "continue" in request.url.query:
                await self._begin_anew(place, response)
            if response.ok and isinstance(response, Answer):
                response.on_read = self._note_items
            if response.ok and "continue" not in request.url.query:
                self._note_list(place)
            return response
        # Kopf starts to watch when it has read the last page.
        is_resumed = place in self._listed
        self._listed.add(place)
        self._look_whether_filled()
        response = await self._send_while_unserved(place, request, send)
        if response.ok:
            self._open[place] = response
            if is_resumed:
                self.on_resume(place, request.url.query.get("resourceVersion", ""))
        return response

    async def _begin_anew(self, place: Place, response: aiohttp.ClientResponse) -> None:
        """Have Kopf list from the first page on. It takes the answer for the end of everything."""
        response.release()
        log.info("%s: the list took too long for its last pages; listing anew", _words(place))
        await asyncio.sleep(self._unserved_delay)
        raise aiohttp.ClientPayloadError("the rest of the list has expired")

    def _note_items(self, document: Any) -> None:
        if self._unheard is not None:
            items = document.get("items") or ()
            self._unheard.update(item["metadata"]["uid"] for item in items)

    def _look_whether_filled(self) -> None:
        if not self._unheard and self._listed.issuperset(self.places):
            self._unheard = None
            self.filled.set()

    def _note_list(self, place: Place) -> None:
        """All pages show what was there at the first; who looks from now on looks later than that.

        Told of it before, a sweep could look too early, and miss what was deleted in between.
        """
        if place in self._begun:
            self.on_relist(place)
        self._begun.add(place)

    def _note(self, place: Place) -> None:
        now = self._clock()
        for each in self.places:
            self._asked_at.setdefault(each, now)
        self._asked_at[place] = now

    async def _send_while_unserved(
        self, place: Place, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Ask until the kind is served: a 404 would end Kopf's watcher, and Kopf hangs without."""
        response = await send(request)
        while response.status == HTTPStatus.NOT_FOUND:
            if place not in self._troubles:
                log.warning("%s: its CRD is not installed any more; waiting for it", place[0])
            self._troubles[place] = ": its CRD is not installed"
            response.release()
            await asyncio.sleep(self._unserved_delay)
            self._note(place)
            response = await send(request)
        self._troubles.pop(place, None)
        if response.status == HTTPStatus.FORBIDDEN:
            self._troubles[place] = ": not allowed; it takes the verbs list and watch"
        return response
