"""The ready-made API server: taken if it is the one we know, and else built, within seconds."""

import hashlib
import io
import re
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from controlplane import ControlPlaneError, binaries, downloads, envtest, golang, platforms, ports
from controlplane.downloads import DownloadError, Patience
from controlplane.recipes import KUBERNETES

Answer = Callable[[BaseHTTPRequestHandler], None]

SAYS = {
    "etcd": "etcd Version: 3.6.4",
    "kube-apiserver": f"Kubernetes v{KUBERNETES}",
    "kubectl": f"Client Version: v{KUBERNETES}",
}
HASTY = Patience(start=1, window=0.5, bytes=1000, total=2, size=1_000_000)
# What a machine that is busy with everything else takes for a second's work.
WITHIN_SECONDS = 60
GO = """#!/bin/sh
case "$1" in
  env) echo go1.25.3 ;;
  list) echo example.com/package ;;
  build) while [ "$1" != -o ]; do shift; done; echo built > "$2"; chmod +x "$2" ;;
esac
"""


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the cache, and of the programs only a Go that builds at once."""
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(GO)
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{go.parent}:/usr/bin:/bin")
    monkeypatch.setenv("COZE_NATS_CACHE", str(tmp_path / "cache"))
    for name in ("KUBEBUILDER_ASSETS", "COZE_OFFLINE", "COZE_KUBERNETES"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    # What is wrong shall be found out, however busy the machine is.
    monkeypatch.setattr(envtest, "PATIENCE", Patience(start=60, window=60))
    forget()


def forget() -> None:
    """As another process would: it asks anew."""
    for remembered in (binaries.find, binaries._archive, golang.find):
        remembered.cache_clear()


def packed(files: dict[str, str], kind: bytes = tarfile.REGTYPE) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.type = kind
            member.size = len(text) if kind == tarfile.REGTYPE else 0
            member.linkname = "/bin/sh"
            archive.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


def programs(says: dict[str, str] = SAYS, folder: str = "controller-tools/envtest") -> bytes:
    return packed(
        {f"{folder}/{name}": f"#!/bin/sh\necho '{text}'\n" for name, text in says.items()}
    )


def sending(content: bytes, announced: int | None = None) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(announced or len(content)))
        request.end_headers()
        request.wfile.write(content)

    return answer


@contextmanager
def served(answer: Answer) -> Iterator[str]:
    """A server on loopback that answers every request so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                answer(self)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((ports.LOOPBACK, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://{ports.LOOPBACK}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes], None]:
    """Says where the releases are, and which archive is the one that we know."""

    def know(url: str, archive: bytes) -> None:
        sums = tmp_path / "envtest.sha512"
        machine = f"{platforms.system()}-{platforms.architecture()}"
        digest = hashlib.sha512(archive).hexdigest()
        sums.write_text(f"{digest}  envtest-v{KUBERNETES}-{machine}.tar.gz\n")
        monkeypatch.setattr(envtest, "SUMS", sums)
        monkeypatch.setenv("COZE_ENVTEST_RELEASES", url)

    return know


Releases = Callable[[str, bytes], None]


def test_the_archive_that_we_know_is_taken_and_its_address_is_said(
    releases: Releases, capfd: pytest.CaptureFixture[str]
) -> None:
    archive = programs()
    with served(sending(archive)) as url:
        releases(url, archive)
        found = binaries.find_all(binaries.DEFAULT)

    assert {path.parent.name.partition("-")[0] for path in found.values()} == {"envtest"}
    assert sorted(path.name for path in found["etcd"].parent.iterdir()) == sorted(SAYS)
    said = capfd.readouterr().err
    assert f"from {url}/envtest-v{KUBERNETES}/envtest-v{KUBERNETES}-" in said
    assert "done after" in said
    assert "Building" not in said


def test_what_was_fetched_once_is_taken_without_a_network(releases: Releases) -> None:
    archive = programs()
    with served(sending(archive)) as url:
        releases(url, archive)
        first = binaries.find("kubectl")
    forget()

    assert binaries.find("kubectl") == first


def test_who_is_offline_is_not_asked_to_wait(
    releases: Releases, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    archive = programs()
    asked: list[str] = []
    with served(lambda request: asked.append(request.path)) as url:
        releases(url, archive)
        monkeypatch.setenv("COZE_OFFLINE", "1")
        found = binaries.find("kubectl")

    assert found.read_text() == "built\n"
    assert asked == []
    assert url not in capfd.readouterr().err


def unusable(content: bytes, announced: int | None = None) -> tuple[Answer, bytes]:
    return sending(content, announced), content


def refusing(request: BaseHTTPRequestHandler) -> None:
    request.send_error(404)


LACKING = {name: text for name, text in SAYS.items() if name != "kubectl"}


@pytest.mark.parametrize(
    "answer, known, reason",
    [
        pytest.param(
            sending(programs()), b"another", "its SHA-512 begins with [0-9a-f]{12}", id="wrong sum"
        ),
        pytest.param(
            *unusable(programs()[:200], announced=len(programs())),
            r"the connection ended after 200 of \d+ bytes",
            id="truncated",
        ),
        pytest.param(refusing, b"", "the server answered 404 Not Found", id="not there"),
        pytest.param(*unusable(b"<html>"), "it can't be unpacked", id="no archive"),
        pytest.param(*unusable(programs()[:200]), "it can't be unpacked", id="half an archive"),
        pytest.param(
            *unusable(programs(LACKING)),
            "it lacks controller-tools/envtest/kubectl; it holds controller-tools/envtest/etcd, ",
            id="a program is missing",
        ),
        pytest.param(
            *unusable(programs(folder="../../controller-tools/envtest")),
            r"it lacks .*; it holds \.\./\.\./controller-tools/envtest/etcd",
            id="names that escape",
        ),
        pytest.param(
            *unusable(programs(folder="/controller-tools/envtest")),
            "it lacks ",
            id="absolute names",
        ),
        pytest.param(
            *unusable(packed(dict.fromkeys((f"controller-tools/envtest/{n}" for n in SAYS), ""),
                             kind=tarfile.SYMTYPE)),
            "it lacks ",
            id="links instead of programs",
        ),
        pytest.param(
            *unusable(programs({**SAYS, "kubectl": "Client Version: v1.12.0"})),
            f"its kubectl says that it is 1.12.0, not {KUBERNETES}",
            id="another version",
        ),
        pytest.param(
            *unusable(programs({**SAYS, "etcd": ""})),
            "its etcd does not run on this machine",
            id="another machine's",
        ),
    ],
)  # fmt: skip
def test_an_archive_that_cannot_be_used_is_explained_in_a_line_and_the_same_is_built(
    releases: Releases,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    answer: Answer,
    known: bytes,
    reason: str,
) -> None:
    before = set(tmp_path.parent.iterdir())
    with served(answer) as url:
        releases(url, known)
        found = binaries.find_all(binaries.DEFAULT)

    said = capfd.readouterr().err
    explained = re.findall(r"^.* can't be used: .*$", said, re.MULTILINE)
    assert len(explained) == 1
    assert re.search(f"{reason}.*Building with Go instead", explained[0])
    assert "failed after" in said
    assert [path.read_text() for path in found.values()] == ["built\n"] * 3
    assert not list(tmp_path.glob("cache/*/envtest-*/"))
    assert set(tmp_path.parent.iterdir()) == before


def test_a_server_that_refuses_is_given_up_at_once(
    releases: Releases, capfd: pytest.CaptureFixture[str]
) -> None:
    releases(f"http://{ports.LOOPBACK}:{ports.free()}", b"")

    assert binaries.find("etcd").read_text() == "built\n"
    assert "Connection refused. Building with Go instead." in capfd.readouterr().err


def test_a_name_that_nobody_knows_is_said_to_be_unknown(
    releases: Releases, capfd: pytest.CaptureFixture[str]
) -> None:
    releases("http://envtest.invalid", b"")

    assert binaries.find("etcd").read_text() == "built\n"
    said = capfd.readouterr().err
    assert re.search(r"envtest\.invalid.* can't be used: .*\. Building with Go instead\.", said)


def test_a_machine_that_nothing_is_published_for_builds(
    releases: Releases, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platforms, "architecture", lambda: "s390x")

    assert binaries.find("etcd").read_text() == "built\n"
    assert f"No ready-made Kubernetes {KUBERNETES} is known for" in capfd.readouterr().err


def test_controllers_are_built_for_no_archive_has_them(releases: Releases) -> None:
    archive = programs()
    with served(sending(archive)) as url:
        releases(url, archive)

        assert binaries.find("kube-controller-manager").read_text() == "built\n"
        assert binaries.find("kube-apiserver").read_text() != "built\n"


# --- patience -------------------------------------------------------------------------------------


def silent(request: BaseHTTPRequestHandler) -> None:
    request.rfile.read()


def dribbling(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(b".")
        time.sleep(0.02)


def dribbling_headers(request: BaseHTTPRequestHandler) -> None:
    while True:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n"[:1])
        time.sleep(0.02)


def endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(bytes(10_000))
        time.sleep(0.001)


def steady(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(bytes(1000))
        time.sleep(0.1)


@pytest.mark.parametrize(
    "answer, reason",
    [
        (silent, "the server sent nothing within 1 s"),
        (dribbling_headers, "the server sent nothing within 1 s"),
        (dribbling, r"the server sent only \d+ bytes within 0.5 s"),
        (endless, "it is larger than 1,000,000 bytes"),
        (steady, "it was not there after 2 s"),
    ],
    ids=["silent", "dribbling headers", "dribbling", "endless", "steady"],
)
def test_a_slow_server_is_given_up_for_the_reason_that_it_gives(
    tmp_path: Path, answer: Answer, reason: str
) -> None:
    start = time.monotonic()
    with served(answer) as url, pytest.raises(DownloadError, match=reason):
        downloads.download(url, tmp_path / "file", HASTY)

    assert time.monotonic() - start < WITHIN_SECONDS


def test_a_network_that_answers_nothing_at_all_is_given_up(tmp_path: Path) -> None:
    """As where packets go nowhere: nobody takes the connections of a queue that is full."""
    with socket.socket() as listening:
        listening.bind((ports.LOOPBACK, 0))
        listening.listen(0)
        host, port = listening.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex((host, port))
        with pytest.raises(DownloadError, match="the server sent nothing within 1 s"):
            downloads.download(f"http://{host}:{port}", tmp_path / "file", HASTY)
        for each in waiting:
            each.close()


def test_a_download_that_is_given_up_leaves_no_process(tmp_path: Path) -> None:
    with served(dribbling) as url, pytest.raises(DownloadError):
        downloads.download(url, tmp_path / "file", HASTY)
    size = downloads.size_of(tmp_path / "file")
    time.sleep(0.1)

    assert downloads.size_of(tmp_path / "file") == size


# --- what is pinned -------------------------------------------------------------------------------


def test_the_default_version_is_pinned_for_every_platform_that_people_work_on() -> None:
    pinned = envtest.checksums()

    for machine in ("linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"):
        name = f"envtest-v{KUBERNETES}-{machine}.tar.gz"
        assert re.fullmatch("[0-9a-f]{128}", pinned[name])


def test_the_address_is_that_of_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COZE_ENVTEST_RELEASES", raising=False)
    archive = envtest.Archive("1.34.1", "envtest-v1.34.1-linux-amd64.tar.gz", "0" * 128)

    assert archive.url == (
        "https://github.com/kubernetes-sigs/controller-tools/releases/download/"
        "envtest-v1.34.1/envtest-v1.34.1-linux-amd64.tar.gz"
    )


def test_a_version_that_nothing_is_published_for_says_so() -> None:
    with pytest.raises(ControlPlaneError, match=r"No ready-made Kubernetes 1\.2\.3"):
        envtest.unpacked("1.2.3")
