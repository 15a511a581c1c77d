"""Runs a command that says nothing for long, and says for it how long it has taken.

usage: with_progress.py WHAT COMMAND [ARGUMENT ...]
"""

import subprocess
import sys

from controlplane import progress


def main(what: str, *command: str) -> int:
    with progress.waiting(what):
        outcome = subprocess.run(command, check=False, stdin=subprocess.DEVNULL)
    return outcome.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
