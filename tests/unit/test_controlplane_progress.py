"""What a person who waits gets to read."""

import io
import re

import pytest

from controlplane import progress


@pytest.mark.parametrize(
    "seconds, words", [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (187, "3 min 07 s")]
)
def test_durations_read_like_a_clock(seconds: float, words: str) -> None:
    assert progress.duration(seconds) == words


def test_a_log_gets_a_line_at_the_beginning_and_one_at_the_end() -> None:
    output = io.StringIO()

    with progress.waiting("Building", lambda: "12 packages", stream=output):
        pass

    assert re.fullmatch(
        r"Building \.\.\.\nBuilding: done after \d+ s, 12 packages\n", output.getvalue()
    )


def test_what_was_broken_off_is_not_called_done() -> None:
    output = io.StringIO()

    with pytest.raises(KeyboardInterrupt), progress.waiting("Building", stream=output):
        raise KeyboardInterrupt

    assert re.search(r"Building: stopped after \d+ s\n$", output.getvalue())


def test_what_failed_is_said_to_have_failed() -> None:
    output = io.StringIO()

    with pytest.raises(RuntimeError), progress.waiting("Building", stream=output):
        raise RuntimeError

    assert re.search(r"Building: failed after \d+ s\n$", output.getvalue())
    assert "done" not in output.getvalue()
