"""build/faults.json as the table of docs/reliability.md."""

from faults import record

HEADINGS = (
    "Fault",
    "What stayed up",
    "What is tried again",
    "Resources",
    "Healed in",
    "API writes (most for one)",
)


def table() -> str:
    lines = [f"| {' | '.join(HEADINGS)} |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {found['fault']} | {found['stayed_up']} | {found['retried']} | {found['objects']:,} "
        f"| {found['heal_seconds']:.1f} s | {found['writes']:,} ({found['most_writes']}) |"
        for found in record.load()
    ]
    return "\n".join(lines)
