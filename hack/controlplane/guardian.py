"""Outlives its parent by a moment to end what the parent left running: kill -9 leaves no servers.

Runs as a process of its own, one for each Python process that starts servers. It reads lines
`+pid`, `-pid`, `+/directory` and `-/directory` on standard input and acts when that ends. The
kernel's parent-death signal would do for processes, but follows the thread that started them.
"""

import contextlib
import os
import shutil
import signal
import sys


def main() -> None:
    left: dict[str, None] = {}
    for line in sys.stdin:
        sign, name = line[0], line[1:].rstrip("\n")
        if sign == "+":
            left[name] = None
        else:
            left.pop(name, None)
    for name in left:
        if name.isdigit():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(name), signal.SIGKILL)
    for name in left:
        if not name.isdigit():
            shutil.rmtree(name, ignore_errors=True)


if __name__ == "__main__":
    main()
