"""What a stream holds on some of its subjects, with few questions and answers of bounded length."""

from collections.abc import Mapping

from coze_nats.core.live import LiveStream
from coze_nats.core.looks import Seen
from coze_nats.core.subjects import Subjects

MOST_SUBJECTS = 10_000
"""A stream that holds messages on more subjects isn't asked: the answer would name each of them."""

MOST_PATTERNS = 4
"""For more of them there is one question, about all that the stream holds."""


def messages_on(
    seen: Seen, stream: LiveStream, patterns: tuple[str, ...]
) -> Mapping[str, int] | None:
    """How many messages a stream holds on each subject that matches; None: it has too many."""
    if stream.subjects > MOST_SUBJECTS:
        return None
    if len(patterns) <= MOST_PATTERNS:
        return seen.messages_on(stream.name, patterns)
    wanted, found = Subjects(patterns), seen.messages_on(stream.name, (">",))
    return {subject: count for subject, count in found.items() if wanted.meet(subject)}
