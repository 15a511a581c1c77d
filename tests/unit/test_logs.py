"""Log lines: what people and machines read, and what Kopf says too often."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from coze_nats import logs
from coze_nats.core.resource import Key
from support import logging_state

ORDERS = Key("CozeStream", "coze", "orders")
KOPFS_REFERENCE = {"k8s_ref": {"kind": "CozeStream", "namespace": "coze", "name": "orders"}}


Output = Callable[[], list[str]]


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Iterator[Output]:
    """What was logged to standard error, by line."""

    def read() -> list[str]:
        return capsys.readouterr().err.splitlines()

    with logging_state.restored():
        yield read


def test_a_text_line_has_time_level_resource_and_message(output: Output) -> None:
    logs.configure("text", logging.INFO)
    with logs.about(ORDERS):
        logging.getLogger("coze_nats.reconcile").info("created %s", "stream orders")
    logging.getLogger("coze_nats.app").warning("Waiting")
    first, second = output()
    time, rest = first.split(" ", 1)
    assert datetime.fromisoformat(time).utcoffset() == timedelta(0)
    assert rest == "INFO    CozeStream coze/orders: created stream orders"
    assert second.split(" ", 1)[1] == "WARNING Waiting"


def test_a_line_end_in_a_message_begins_no_other_line(output: Output) -> None:
    logs.configure("text", logging.INFO)
    try:
        raise ValueError
    except ValueError:
        logging.getLogger("coze_nats").exception("said %s", "a\n08:00:00 ERROR   b\x1b[0m")
    first, *more = output()
    assert first.split(" ", 1)[1] == "ERROR   said a 08:00:00 ERROR   b [0m"
    assert more[0].startswith("Traceback")


def test_a_json_line_has_the_resource_in_fields_of_its_own(output: Output) -> None:
    logs.configure("json", logging.INFO)
    with logs.about(ORDERS):
        logging.getLogger("coze_nats.reconcile").info('has "quotes",\nlines and ümläuts')
    [line] = map(json.loads, output())
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "coze_nats.reconcile",
        "message": 'has "quotes",\nlines and ümläuts',
        "kind": "CozeStream",
        "namespace": "coze",
        "name": "orders",
    }


def test_kopfs_lines_name_the_resource_too(output: Output) -> None:
    logs.configure("json", logging.INFO)
    logging.getLogger("kopf.objects").error("Handler failed", extra=KOPFS_REFERENCE)
    [line] = map(json.loads, output())
    assert (line["kind"], line["namespace"], line["name"]) == ORDERS


def test_an_exception_stays_within_its_json_line(output: Output) -> None:
    logs.configure("json", logging.INFO)
    try:
        raise ZeroDivisionError("oops")
    except ZeroDivisionError:
        logging.getLogger("coze_nats").exception("Bug")
    [line] = map(json.loads, output())
    assert "ZeroDivisionError: oops" in line["exception"]


def test_kopfs_routine_is_told_only_to_those_who_debug(output: Output) -> None:
    logs.configure("json", logging.INFO)
    kopf = logging.getLogger("kopf.objects")
    kopf.info("Handler 'observe' succeeded.")
    kopf.error("Handler 'finalize' failed temporarily: It waits for JetStream.")
    kopf.error("Handler 'observe' failed with an exception")
    assert [line["message"] for line in map(json.loads, output())] == [
        "Handler 'observe' failed with an exception"
    ]


def test_lines_below_the_level_are_left_out(output: Output) -> None:
    logs.configure("text", logging.ERROR)
    logging.getLogger("coze_nats").warning("Waiting")
    assert output() == []
