"""Whether an account has room for a stream's reservation, before JetStream is asked for it."""

from collections.abc import Mapping
from typing import Any

from coze_nats.core.codec import format_size
from coze_nats.core.costs import counted
from coze_nats.core.desired import Desired
from coze_nats.core.live import LiveStream

_LARGE = 2**20
"""Bytes from which on larger units are easier to read."""

Account = Mapping[str, Any]
"""The answer of `$JS.API.INFO`: `limits`, `reserved_storage`, `reserved_memory` and, where the
account has limits per number of replicas, `tiers`."""


def shortage(desired: Desired, live: LiveStream | None, account: Account) -> str:
    """Why maxBytes can't be reserved, with the numbers; "" when it can, or nobody knows.

    Without tiers an account pays for every replica; with tiers a tier counts the stream once.
    """
    wanted, replicas = desired.after("max_bytes"), desired.after("num_replicas")
    if wanted <= 0:
        return ""
    tier = (account.get("tiers") or {}).get(f"R{replicas}")
    has_tiers = bool(account.get("tiers"))
    if has_tiers and tier is None:
        return ""
    kind = "memory" if desired.after("storage") == "memory" else "storage"
    books = tier or account
    limit = (books.get("limits") or {}).get(f"max_{kind}", -1)
    if limit is None or limit < 0:
        return ""
    copies = 1 if has_tiers else replicas
    mine = _reserved(live, desired, has_tiers=has_tiers)
    others = max(books.get(f"reserved_{kind}", 0) - mine, 0)
    if others + wanted * copies <= limit:
        return ""
    asked = f"{_shown(wanted)} in {counted(copies, 'replica')}"
    return (
        f"maxBytes: {asked} don't fit: {_shown(others)} of the account's {_shown(limit)} of {kind} "
        "are reserved by others; ask for less, or raise the account's limit"
    )


def _shown(size: int) -> str:
    found = format_size(size) if size >= _LARGE else size
    return found if isinstance(found, str) else f"{size:,} bytes"


def _reserved(live: LiveStream | None, desired: Desired, *, has_tiers: bool) -> int:
    """What the stream has reserved already, in the books that the desired one is entered in."""
    if live is None or live.config.get("storage", "file") != desired.after("storage"):
        return 0
    reserved: int = max(live.config.get("max_bytes", 0), 0)
    replicas = int(live.config.get("num_replicas", 1))
    if has_tiers:
        return reserved if replicas == desired.after("num_replicas") else 0
    return reserved * replicas
