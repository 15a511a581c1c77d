"""Words of strangers, made fit for a status, an event or a log: bounded, on one line, no secrets.

Servers say what they like: at any length, with control characters, and with what they were told.
"""

import re
from collections.abc import Iterable
from typing import Any

MOST = 500
"""Characters of what a server says."""
LONGEST_MESSAGE = 8192
"""Characters of a whole message, of which servers' words are a part."""

HIDDEN = "[hidden]"
_SHORT, _TELLING = 4, 8
# Control characters, line and paragraph separators, what turns the direction of text or has no
# width, and halves of characters.
_UNREADABLE = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\u200b-\\u200f\\ufeff\\ud800-\\udfff]+"
)


class Secrets:
    """What was sent to a server to log in, and may come back in what it says.

    Args:
        values: tokens, passwords, keys.
        names: of users, which are ordinary words, too.
    """

    def __init__(self, values: Iterable[str] = (), names: Iterable[str] = ()) -> None:
        secret = {value for value in values if value}
        self._in_words = _any_of(secret | {name for name in names if name})
        self._in_answers = _any_of({value for value in secret if len(value) >= _TELLING})

    def hidden_in(self, text: str) -> str:
        """The text without them."""
        return self._in_words.sub(HIDDEN, text) if self._in_words else text

    def are_in(self, text: str) -> bool:
        """Whether an answer, as text, holds one that can be no ordinary word."""
        return bool(self._in_answers and self._in_answers.search(text))

    def hidden_in_answer(self, value: Any) -> Any:
        """An answer without those that can be no ordinary word: it has configurations in it."""
        if isinstance(value, str):
            return self._in_answers.sub(HIDDEN, value) if self._in_answers else value
        if isinstance(value, list):
            return [self.hidden_in_answer(item) for item in value]
        if isinstance(value, dict):
            return {self.hidden_in_answer(k): self.hidden_in_answer(v) for k, v in value.items()}
        return value


def _any_of(values: set[str]) -> re.Pattern[str] | None:
    longest_first = sorted(values, key=len, reverse=True)
    return re.compile("|".join(map(_anywhere, longest_first)), re.IGNORECASE) if values else None


def _anywhere(value: str) -> str:
    # What is short would be found within all kinds of words.
    escaped = re.escape(value)
    return escaped if len(value) > _SHORT else rf"(?<!\w){escaped}(?!\w)"


def readable(text: str, most: int = MOST) -> str:
    """The text on one line, and no longer than that."""
    cleaned = _UNREADABLE.sub(" ", text).strip()
    return cleaned if len(cleaned) <= most else f"{cleaned[: most - 1]}…"
