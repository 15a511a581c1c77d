"""How the demo speaks: numbered steps, commands as one would type them, and ticks."""

import os
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager

from controlplane import progress

WIDTH = 96


class Stage:
    """Prints the steps of a demo and keeps their times."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._setup = 0.0
        self._step = 0
        self._facts: list[str] = []
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    @contextmanager
    def setting_up(self) -> Iterator[None]:
        """What happens here is done once on a machine, and is no part of the demo's own time."""
        start = time.monotonic()
        yield
        self._setup += time.monotonic() - start

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._step += 1
        print(f"\n{self._styled('1;36', f'{self._step}. {title}')}", flush=True)

    def say(self, text: str) -> None:
        """Explain."""
        print(textwrap.fill(text, WIDTH, initial_indent="   ", subsequent_indent="   "), flush=True)

    def command(self, text: str) -> None:
        """Show what is being run, as a person would type it."""
        print(f"   {self._styled('2', '$ ' + text)}", flush=True)

    def show(self, text: str) -> None:
        """Show output."""
        print(textwrap.indent(text.rstrip(), "     "), flush=True)

    def done(self, fact: str, seconds: float | None = None) -> None:
        """A promise was kept; it is repeated in the summary."""
        took = "" if seconds is None else f" ({seconds:.1f} s)"
        self._facts.append(fact + took)
        print(f"   {self._styled('32', '✔')} {fact}{took}", flush=True)

    def summary(self) -> None:
        """Everything that was shown, in short."""
        print(f"\n{self._styled('1;32', 'All of it worked:')}")
        for fact in self._facts:
            print(f"   {self._styled('32', '✔')} {fact}")
        seconds = time.monotonic() - self._start - self._setup
        print(f"\n   The whole demo took {seconds:.0f} s.", flush=True)
        if round(self._setup):
            took = progress.duration(self._setup)
            print(f"   Getting its programs took {took} before; that is done once.", flush=True)

    def failed(self, error: BaseException) -> None:
        """A promise was broken."""
        print(
            f"\n{self._styled('1;31', '✘ The demo failed:')} {error}", file=sys.stderr, flush=True
        )

    def _styled(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colours else text
