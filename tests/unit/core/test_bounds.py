"""What is told of something long: its ends, how much there is, and what has changed in it."""

from coze_nats.core import bounds
from coze_nats.core.diff import FieldChange


def test_a_short_text_stays_as_it_is() -> None:
    assert bounds.shortened("short", 5) == "short"


def test_a_long_text_keeps_its_ends_and_tells_its_length() -> None:
    text = "begin" + "x" * 5000 + "set policies.adoption: Always"
    shown = bounds.shortened(text, 120)
    assert len(shown) == 120
    assert shown.startswith("begin")
    assert "(5,034 characters)" in shown
    assert shown.endswith("policies.adoption: Always")


def test_a_long_list_tells_how_many_more_there_are() -> None:
    items = [f"orders.{number}" for number in range(1000)]
    assert bounds.listed(items[:2]) == "orders.0, orders.1"
    assert bounds.listed(items).endswith("orders.7 and 992 more")


def change(before: object, after: object) -> str:
    return str(FieldChange("subjects", before, after, declared=True))


def test_a_change_within_a_long_list_names_what_has_gone_and_what_has_come() -> None:
    before = [f"orders.{number}" for number in range(300)]
    after = [*before[1:], "orders.new", "orders.newer"]
    assert change(before, after) == (
        "subjects 300 → 301 values (without [orders.0], with [orders.new, orders.newer])"
    )
    assert change(before, None).startswith("subjects 300 → 0 values (without [orders.0, ")


def test_a_change_of_a_long_lists_order_is_called_so() -> None:
    before = [str(number) for number in range(20)]
    assert change(before, before[::-1]) == "subjects 20 → 20 values (in another order)"


def test_a_change_within_much_metadata_names_its_keys() -> None:
    before = {f"key-{number}": "value" for number in range(20)}
    after = before | {"key-3": "😀" * 5000}
    shown = change(before, after)
    assert "without [key-3: value], with [key-3: 😀😀" in shown
    assert len(shown) < 2 * bounds.VALUE


def test_no_value_makes_a_change_long() -> None:
    assert len(change("a" * 30_000, "b" * 30_000)) < 3 * bounds.VALUE
