"""A NATS system as the controller knows it (`ports.Endpoint`): a connection with JetStream."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Self

from coze_nats.core.login import Login, UnusableLogin
from coze_nats.core.names import Reason
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions, InvalidOptions

FILES_EVERY = 10.0
"""Seconds between two looks at the files that the options name."""


class NatsEndpoint(Connection):
    """A connection and the JetStream of its user's account.

    When what a file of the options holds has changed, as that of a mounted Secret does, it logs in
    anew.

    Args:
        may_write: asked right before anything is sent that changes something.
    """

    def __init__(
        self,
        options: ConnectionOptions,
        may_write: Callable[[], bool] = lambda: True,
        *,
        files_every: float = FILES_EVERY,
    ) -> None:
        super().__init__(options)
        self._gateway = Gateway(self, may_write=may_write)
        self._files_every = files_every
        self._following: asyncio.Task[None] | None = None

    @classmethod
    def dial(
        cls,
        login: Login,
        may_write: Callable[[], bool] = lambda: True,
        *,
        allow_local: bool = False,
    ) -> Self:
        """Make one for a CozeConnection, without connecting yet; raises UnusableLogin.

        Args:
            allow_local: whether its servers may be on the operator's own machine or link.
        """
        return cls(_options(login, allow_local=allow_local), may_write)

    async def start(self) -> None:
        """Begin to connect, and to follow the files; returns at once."""
        await super().start()
        if self.options.files:
            self._following = asyncio.create_task(self._follow_files(), name="nats-files")

    async def close(self, deadline: float = 10.0) -> None:
        """Let requests in flight finish for up to `deadline` seconds, then end the session."""
        if self._following:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await super().close(deadline)

    @property
    def jetstream(self) -> Gateway:
        """The JetStream of the user's account."""
        return self._gateway

    def renew(self, login: Login) -> None:
        """Log in anew, and use the session there is until that has worked."""
        self.renew_with(_options(login, allow_local=self.options.allow_local))

    async def _follow_files(self) -> None:
        known = _digests(self.options.files)
        while True:
            await asyncio.sleep(self._files_every)
            found = _digests(self.options.files)
            if found != known:
                known = found
                self.renew_with(self.options)


def _digests(files: tuple[str, ...]) -> tuple[bytes, ...]:
    """What tells whether a file's content has changed; nothing for one that can't be read."""
    return tuple(_digest(Path(file)) for file in files)


def _digest(file: Path) -> bytes:
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError:
        return b""


def _options(login: Login, *, allow_local: bool) -> ConnectionOptions:
    try:
        return ConnectionOptions(**vars(login), allow_local=allow_local)
    except InvalidOptions as error:
        raise UnusableLogin(Reason.CREDENTIALS_INVALID, str(error)) from error
