"""The command line: exit codes, and that errors and help say what to do."""

import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest

from coze_nats.cli import main
from support import logging_state

NATS = {"NATS_SERVER_URL": "nats://127.0.0.1:4222"}


def exit_code(*arguments: str, environ: dict[str, str] | None = None) -> int:
    """The exit code, whether it is returned or argparse raises it."""
    try:
        return main(arguments, environ or {})
    except SystemExit as exit_:
        return int(exit_.code or 0)


@contextmanager
def garbage_collection_restored() -> Iterator[None]:
    """What the operator does about garbage is for its own process."""
    threshold = gc.get_threshold()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*threshold)


@pytest.mark.parametrize("argument", ["version", "--version"])
def test_version_is_that_of_the_distribution(
    argument: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(argument) == 0
    assert capsys.readouterr().out == f"coze-nats-operator {version('coze-nats-operator')}\n"


def test_help_names_every_variable_and_gives_an_example(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert exit_code("operator", "--help") == 0
    shown = capsys.readouterr().out
    for name in (
        *("NATS_SERVER_URL", "MQ_NAME_SERVER", "NATS_TOKEN", "NATS_USERNAME", "NATS_PASSWORD"),
        *("NATS_JWT_TOKEN", "NATS_NKEY_SEED", "NATS_STREAM_REPLICAS", "COZE_NATS_CLUSTER_ID"),
        *("KUBECONFIG", "--namespace", "--resync-interval", "--health-port", "--log-format"),
    ):
        assert name in shown
    assert "coze-nats operator --namespace coze" in shown


@pytest.mark.parametrize(
    "arguments, named",
    [
        ((), "command"),
        (("operater",), "operater"),
        (("operator", "--resync-interval", "soon"), "--resync-interval: 'soon' is no duration"),
        (("operator", "--log-format", "xml"), "--log-format"),
    ],
)
def test_wrong_usage_ends_with_2_and_names_the_argument(
    arguments: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(*arguments, environ=NATS) == 2
    assert named in capsys.readouterr().err


def test_a_bad_variable_ends_with_2_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("operator", environ=NATS | {"NATS_STREAM_REPLICAS": "9"}) == 2
    assert "coze-nats: error: environment variable NATS_STREAM_REPLICAS" in (
        capsys.readouterr().err
    )


def test_without_a_cluster_it_ends_with_1_and_says_where_it_looked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tests may run in a pod themselves.
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    environ = NATS | {"KUBECONFIG": str(tmp_path / "missing")}
    with logging_state.restored(), garbage_collection_restored():
        assert exit_code("operator", "--health-port=0", environ=environ) == 1
    error = capsys.readouterr().err
    assert f"KUBECONFIG={tmp_path / 'missing'}" in error


def test_an_error_that_ends_it_is_json_where_logs_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    for environ, code in (
        (NATS | {"KUBECONFIG": str(tmp_path / "missing")}, 1),
        (NATS | {"NATS_STREAM_REPLICAS": "many"}, 2),
    ):
        with logging_state.restored(), garbage_collection_restored():
            arguments = ("operator", "--health-port=0", "--log-format=json")
            assert exit_code(*arguments, environ=environ) == code
        last = json.loads(capsys.readouterr().err.splitlines()[-1])
        assert last["level"] == "critical"
        assert any(name in last["message"] for name in environ)


def test_the_package_can_be_run() -> None:
    completed = subprocess.run(
        [sys.executable, "-m", "coze_nats", "version"], capture_output=True, text=True, check=True
    )
    assert completed.stdout.startswith("coze-nats-operator ")
