"""Whether an account has room for a stream's reservation, before JetStream is asked for it."""

from collections.abc import Mapping
from typing import Any

from coze_nats.core.costs import counted
from coze_nats.core.desired import Desired
from coze_nats.core.live import LiveStream

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
    return (
        f"maxBytes: {wanted:,} bytes in {counted(copies, 'replica')} don't fit: {others:,} of the "
        f"account's {limit:,} bytes of {kind} are reserved by others; ask for less, or raise the "
        "account's limit"
    )


def _reserved(live: LiveStream | None, desired: Desired, *, has_tiers: bool) -> int:
    """What the stream has reserved already, in the books that the desired one is entered in."""
    if live is None or live.config.get("storage", "file") != desired.after("storage"):
        return 0
    reserved: int = max(live.config.get("max_bytes", 0), 0)
    replicas = int(live.config.get("num_replicas", 1))
    if has_tiers:
        return reserved if replicas == desired.after("num_replicas") else 0
    return reserved * replicas
