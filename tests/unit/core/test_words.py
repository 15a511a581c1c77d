"""What servers say, as it may be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coze_nats.core.words import HIDDEN, MOST, Secrets, readable


@given(st.text(min_size=1), st.text(), st.text())
def test_no_secret_is_left_in_what_is_shown(secret: str, before: str, after: str) -> None:
    shown = Secrets([secret]).hidden_in(f"{before} {secret} {after}")
    assert HIDDEN in shown
    if len(secret) > 4 and secret not in HIDDEN:
        assert secret not in shown.replace(HIDDEN, " ")


def test_secrets_are_found_in_any_case_and_the_longest_first() -> None:
    secrets = Secrets(["pass", "password-2", "", "it"])
    said = "'Authorization Violation for PASSWORD-2, pass and it, within a bit'"
    assert secrets.hidden_in(said) == (
        "'Authorization Violation for [hidden], [hidden] and [hidden], within a bit'"
    )


def test_without_a_secret_words_stay_as_they_are() -> None:
    assert Secrets().hidden_in("as it is") == "as it is"


@pytest.mark.parametrize(
    "said, shown",
    [
        ("stream name already in use", "stream name already in use"),
        ("one\r\nERROR two\x1b[31m\x00", "one ERROR two [31m"),
        ("a\u2028b\u202ec\u200bd\ud800", "a b c d"),
        ("注文 ü …", "注文 ü …"),
    ],
)
def test_words_stand_on_one_line_without_control_characters(said: str, shown: str) -> None:
    assert readable(said) == shown


def test_words_have_a_most_length() -> None:
    assert readable("x" * MOST) == "x" * MOST
    assert readable("x" * 30_000) == "x" * (MOST - 1) + "…"


def test_an_answer_loses_what_can_be_no_ordinary_word_and_keeps_the_rest() -> None:
    secrets = Secrets(["s3cr3t-token", "orders"], ["admin"])
    answer = {"config": {"subjects": ["orders", "admin.S3cr3t-Token"], "s3cr3t-token": 1}}
    assert secrets.are_in("… s3cr3t-token …")
    assert not secrets.are_in("orders admin")
    assert secrets.hidden_in_answer(answer) == {
        "config": {"subjects": ["orders", "admin.[hidden]"], "[hidden]": 1}
    }
    assert Secrets().hidden_in_answer(answer) == answer
    assert not Secrets().are_in("s3cr3t-token")
