"""From the bytes of a reply to JSON without the login, or the Failure that it stands for."""

import json
from collections.abc import Mapping
from typing import Any

from coze_nats.core.answers import failure_in
from coze_nats.core.errors import Nonsense
from coze_nats.core.strict import read_json
from coze_nats.core.words import Secrets

Json = Mapping[str, Any]

_ESCAPED = (rb"\u003e", rb"\u003c", rb"\u0026")
"""What servers escape in JSON by themselves."""


def json_of(reply: bytes, most: int, secrets: Secrets) -> Json:
    """Read a reply, without the login that it may hold; raises the Failure that it amounts to."""
    if len(reply) > most:
        raise Nonsense(f"it has {len(reply):,} bytes; {most:,} are the most")
    answer = read_json(reply)
    failure = failure_in(answer, secrets.hidden_in)
    if failure is not None:
        raise failure
    return _without(secrets, answer, reply)


def _without(secrets: Secrets, answer: Json, reply: bytes) -> Json:
    """The answer without secrets; looked through only where it can hold some."""
    plain = reply
    for usual in _ESCAPED:
        plain = plain.replace(usual, b"")
    text = json.dumps(answer, ensure_ascii=False) if b"\\" in plain else reply.decode()
    hidden: Json = secrets.hidden_in_answer(answer) if secrets.are_in(text) else answer
    return hidden
