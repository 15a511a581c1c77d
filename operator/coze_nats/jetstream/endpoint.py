"""A NATS system as the controller knows it (`ports.Endpoint`): a connection with JetStream."""

from typing import Self

from coze_nats.core.login import Login, UnusableLogin
from coze_nats.core.names import Reason
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions, InvalidOptions


class NatsEndpoint(Connection):
    """A connection and the JetStream of its user's account."""

    def __init__(self, options: ConnectionOptions) -> None:
        super().__init__(options)
        self._gateway = Gateway(self)

    @classmethod
    def dial(cls, login: Login) -> Self:
        """Make one for a CozeConnection, without connecting yet; raises UnusableLogin."""
        return cls(_options(login))

    @property
    def jetstream(self) -> Gateway:
        """The JetStream of the user's account."""
        return self._gateway

    def renew(self, login: Login) -> None:
        """Log in anew, and use the session there is until that has worked."""
        self.renew_with(_options(login))


def _options(login: Login) -> ConnectionOptions:
    try:
        return ConnectionOptions(**vars(login))
    except InvalidOptions as error:
        raise UnusableLogin(Reason.CREDENTIALS_INVALID, str(error)) from error
