"""How log lines look: text for people, JSON for machines, and which resource a line is about."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

from coze_nats.core.resource import Key
from coze_nats.core.words import readable
from coze_nats.descriptors import OnceRunOut

Format = Literal["text", "json"]

LONGEST_LINE = 32_768

_subject: ContextVar[Key | None] = ContextVar("subject", default=None)


@contextmanager
def about(key: Key) -> Iterator[None]:
    """Have every line that is logged inside name this resource."""
    token = _subject.set(key)
    try:
        yield
    finally:
        _subject.reset(token)


def configure(format_: Format, level: int) -> None:
    """Log to standard error, from now on and for the whole process."""
    handler = logging.StreamHandler()
    handler.addFilter(OnceRunOut())
    handler.setFormatter(JsonFormatter() if format_ == "json" else TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if level > logging.DEBUG:
        # Kopf tells of each handler that it succeeded, and of a deletion that waits for NATS as of
        # an error; what matters of both is said by the reconciler.
        logging.getLogger("kopf.objects").addFilter(_is_no_routine)
        logging.getLogger("kopf.objects").setLevel(max(level, logging.WARNING))
        for chatty in ("kopf.activities", "kopf._core", "kopf._cogs"):
            logging.getLogger(chatty).setLevel(max(level, logging.WARNING))
        logging.getLogger("asyncio").setLevel(max(level, logging.WARNING))


def _is_no_routine(record: logging.LogRecord) -> bool:
    return "failed temporarily" not in record.getMessage()


def _subject_of(record: logging.LogRecord) -> dict[str, str]:
    if reference := getattr(record, "k8s_ref", None):
        return {name: reference[name] for name in ("kind", "namespace", "name")}
    if key := _subject.get():
        return key._asdict()
    return {}


class TextFormatter(logging.Formatter):
    """`2026-01-31T08:01:12Z INFO    CozeStream coze/workflow: message`."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        # A line end in what a stranger said must not begin another line.
        return readable(super().formatMessage(record), LONGEST_LINE)

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        message = super().format(record)
        if subject := _subject_of(record):
            message = f"{subject['kind']} {subject['namespace']}/{subject['name']}: {message}"
        return f"{time} {record.levelname:<7} {message}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and kind, namespace, name if known."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage()[:LONGEST_LINE],
        }
        line |= _subject_of(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
