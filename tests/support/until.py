"""Wait, in async tests, until something that is not awaited is so."""

from collections.abc import Callable

from support.eventually import eventually_async


async def until(condition: Callable[[], object], within: float = 60.0) -> None:
    """Return once `condition()` is true; fail after `within` seconds."""

    async def look() -> object:
        return condition()

    await eventually_async(look, within)
