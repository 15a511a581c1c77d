"""Go modules that are fetched for the files in them: the right ones, or a word about why not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from controlplane import ControlPlaneError, golang

FETCHED = '{"Sum": "h1:known", "Dir": "/modules/example"}'


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a Go 1.25 on PATH that does this when a module is to be downloaded."""

    def write(download: str) -> None:
        program = tmp_path / "go"
        body = f'case "$1" in env) echo go1.25.3 ;; mod) {download} ;; esac'
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        golang.find.cache_clear()

    return write


def test_a_module_is_the_folder_that_go_put_it_into(go: Callable[[str], None]) -> None:
    go(f"echo '{FETCHED}'")
    assert golang.module("example.com/x", "v1.0.0", "h1:known") == Path("/modules/example")


def test_a_module_with_another_checksum_is_refused(go: Callable[[str], None]) -> None:
    go(f"echo '{FETCHED}'")
    with pytest.raises(ControlPlaneError, match="is h1:known; expected was h1:other"):
        golang.module("example.com/x", "v1.0.0", "h1:other")


def test_a_module_that_cannot_be_had_says_what_go_said(go: Callable[[str], None]) -> None:
    go("""echo '{"Error": "no such host"}'; exit 1""")
    with pytest.raises(ControlPlaneError, match=r"example.com/x@v1.0.0(.|\n)*no such host"):
        golang.module("example.com/x", "v1.0.0", "h1:known")
