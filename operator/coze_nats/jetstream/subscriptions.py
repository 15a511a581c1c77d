"""What a connection listens to, beside the answers to its requests."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from coze_nats.jetstream.protocol import Message

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subject with what is called for each of its messages; nothing of it may block.

    Attributes:
        subject: may hold wildcards.
        on_message: is given the message's subject and its body.
    """

    subject: str
    on_message: Callable[[str, bytes], None]

    def deliver(self, message: Message) -> None:
        """Hand on a message; a failure ends here."""
        try:
            self.on_message(message.subject, message.data)
        except Exception:
            _logger.exception("A listener to %s failed", self.subject)
