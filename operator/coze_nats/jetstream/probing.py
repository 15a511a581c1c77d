"""Whether there is a JetStream behind a session: one question, and an answer that makes sense."""

from typing import Protocol

from coze_nats.core.answers import account_of, failure_in
from coze_nats.core.errors import Failure, Nonsense, OutcomeUnknown, Unavailable
from coze_nats.core.strict import read_json
from coze_nats.core.trouble import Trouble
from coze_nats.core.words import Secrets
from coze_nats.jetstream.failures import Cause, cause_of
from coze_nats.jetstream.options import ConnectionOptions


class Asked(Protocol):
    """The part of a session that a probe needs."""

    @property
    def secrets(self) -> Secrets:
        """What the server may know by the login."""

    async def request(self, subject: str, payload: bytes, timeout: float) -> bytes:
        """Send a request and return the body of its answer."""


async def probe(session: Asked, options: ConnectionOptions) -> Cause | None:
    """Ask about the account; why JetStream can't be used, or None. A refusal is an answer, too."""
    wait = options.request_timeout
    try:
        answer = read_json(await session.request(f"{options.api_prefix}.INFO", b"", wait))
        if failure_in(answer, session.secrets.hidden_in) is None:
            account_of(answer)
    except (OutcomeUnknown, Unavailable):
        return Cause(Trouble.SILENT, f"JetStream answers nothing within {wait:g} s")
    except Nonsense as nonsense:
        return cause_of(Nonsense(f"the answer to INFO makes no sense: {nonsense}"))
    except Failure:
        return None
    return None
