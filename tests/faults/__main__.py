"""Prints what the faults came to: `python -m faults`."""

import sys

from faults.table import table

if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
