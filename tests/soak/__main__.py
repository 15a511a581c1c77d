"""`python -m soak`: load, restarts, rotations and hands on JetStream, for as long as asked."""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from soak import report
from soak.run import soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    wishes = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        found = asyncio.run(soak(Path(directory), wishes.hours, wishes.seed))
    report.write(found)
    sys.stdout.write(report.text(found) + "\n")
    for broken in found["broken"]:
        sys.stdout.write(f"BROKEN: {broken}\n")
    return 1 if found["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
