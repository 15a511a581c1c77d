"""Prints how the good tenant fared: `python -m neighbours`."""

import sys

from neighbours.table import table

if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
