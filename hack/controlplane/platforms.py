"""How Go, and what is published for it, calls this machine."""

import platform
import sys

_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "i386": "386",
    "i686": "386",
}


def system() -> str:
    """`linux` or `darwin`."""
    return sys.platform


def architecture() -> str:
    """`amd64`, `arm64` (macOS says so itself), or another."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)
