"""Downloads a file that something else can stand in for, so that nobody waits long for it.

Neither a server that doesn't answer nor one that dribbles holds up for more than seconds. What was
downloaded is for the caller to check. Run as a program, this is the download itself: a process of
its own can be ended whatever it waits for, name servers included.
"""

import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

CONNECT_SECONDS = 5
CHUNK = 64 * 1024


@dataclass(frozen=True)
class Patience:
    """How long a download may take.

    Attributes:
        start: seconds until the first byte, once it is asked for.
        window: seconds, in each of which `bytes` come at least.
        total: seconds until the last byte.
        size: bytes that a file may have.
    """

    start: float = 10
    window: float = 10
    bytes: int = 2_000_000
    total: float = 300
    size: int = 500_000_000


class DownloadError(Exception):
    """The file can't be had; the message is half a sentence that says why."""


def download(url: str, target: Path, patience: Patience) -> None:
    """Write what `url` serves to the file `target`."""
    command = [sys.executable, "-I", __file__, url, str(target)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            _watch(child, target, patience)
        finally:
            child.kill()
        _, said = child.communicate()
    if child.returncode:
        raise DownloadError(said.strip().rpartition("\n")[2] or "the download was ended")


def _watch(child: subprocess.Popen[str], target: Path, patience: Patience) -> None:
    """Return when the child ends; raise when it should."""
    start = checked = time.monotonic()
    before, asked = 0, False
    while True:
        try:
            child.wait(0.05)
            return
        except subprocess.TimeoutExpired:
            now = time.monotonic()
        if not asked:
            # On a busy machine a process takes its time to start, which is not the server's.
            start, asked = now, target.exists()
        size = size_of(target)
        if size > patience.size:
            raise DownloadError(f"it is larger than {patience.size:,} bytes")
        if not size and now - start > patience.start:
            raise DownloadError(f"the server sent nothing within {patience.start:g} s")
        if now - start > patience.total:
            raise DownloadError(f"it was not there after {patience.total:g} s")
        if size and now - checked > patience.window:
            if size - before < patience.bytes:
                raise DownloadError(
                    f"the server sent only {size - before:,} bytes within {patience.window:g} s"
                )
            checked, before = now, size


def size_of(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def main(url: str, target: str) -> int:
    try:
        _copy(url, Path(target))
    except urllib.error.HTTPError as error:
        print(f"the server answered {error.code} {error.reason}", file=sys.stderr)
    except urllib.error.URLError as error:
        print(error.reason, file=sys.stderr)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
    else:
        return 0
    return 1


def _copy(url: str, target: Path) -> None:
    context = _trust()
    with (
        target.open("wb", buffering=0) as file,
        urllib.request.urlopen(url, timeout=CONNECT_SECONDS, context=context) as answer,
    ):
        while part := answer.read1(CHUNK):
            file.write(part)
        if announced := answer.headers["Content-Length"]:
            size = target.stat().st_size
            if size != int(announced):
                raise OSError(f"the connection ended after {size:,} of {int(announced):,} bytes")


def _trust() -> ssl.SSLContext:
    """What the system trusts, and Mozilla's authorities: some Pythons know no others."""
    import certifi  # noqa: PLC0415  only the process that downloads needs it

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
