"""TLS contexts: what is refused with a reason, and that keys touch no disk."""

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from controlplane.certificates import Authority, Pair
from coze_nats.jetstream.options import ConnectionOptions
from coze_nats.jetstream.tls import UnusableCertificates, context_of, make_context

URL = "tls://nats"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue_client("coze", [])


def test_a_certificate_and_its_key_are_taken_as_texts_and_as_files(
    authority: Authority, pair: Pair
) -> None:
    texts = ConnectionOptions(
        servers=(URL,),
        ca=f"# \N{LATIN SMALL LETTER E WITH ACUTE}\r\n{authority.certificate.read_text()}",
        certificate=pair.certificate.read_text().replace("\n", "\r\n"),
        private_key=pair.key.read_text(),
    )
    files = ConnectionOptions(
        servers=(URL,),
        ca_file=str(authority.certificate),
        certificate_file=str(pair.certificate),
        private_key_file=str(pair.key),
    )
    for options in (texts, files):
        (trusted,) = make_context(options).get_ca_certs()
        assert "control-plane-ca" in str(trusted)


@pytest.mark.parametrize("content", ["not a certificate", "", None, b"\xff\xfe"])
def test_an_unusable_ca_is_a_reason_not_a_crash(
    tmp_path: Path, content: str | bytes | None
) -> None:
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UnusableCertificates, match="the CA can't be used"):
        make_context(ConnectionOptions(servers=(URL,), ca_file=str(path)))


def test_a_malformed_ca_is_a_reason_not_a_crash() -> None:
    for body in ("c2VjcmV0", "!"):
        malformed = f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
        with pytest.raises(UnusableCertificates, match="the CA can't be used"):
            make_context(ConnectionOptions(servers=(URL,), ca=malformed))


def refusal(certificate: str, key: str) -> str:
    options = ConnectionOptions(servers=(URL,), certificate=certificate, private_key=key)
    with pytest.raises(UnusableCertificates) as found:
        make_context(options)
    return str(found.value)


def test_a_key_that_does_not_fit_or_is_none_is_a_reason_that_does_not_quote_it(
    authority: Authority, pair: Pair
) -> None:
    certificate, other = pair.certificate.read_text(), authority.issue_client("other", [])
    assert "don't fit each other" in refusal(certificate, other.key.read_text())
    assert "can't be used" in refusal(certificate, "correct-horse")
    assert "correct-horse" not in refusal(certificate, "correct-horse")
    assert "holds no certificate" in refusal("correct-horse", other.key.read_text())
    assert "can't be used" in refusal(certificate, "x" * 100_000)


def test_an_encrypted_key_is_refused_rather_than_asked_for_at_the_terminal(pair: Pair) -> None:
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    assert "is encrypted" in refusal(pair.certificate.read_text(), encrypted.decode())


LOOK_OUT = """
import sys

def refuse(event, arguments):
    if event in {"tempfile.mkstemp", "tempfile.mkdtemp"}:
        raise SystemExit("a temporary file is made")
    if event == "open" and isinstance(arguments[0], str) and arguments[2] & 3:
        raise SystemExit(f"{arguments[0]} is opened for writing")

from coze_nats.jetstream.options import ConnectionOptions
from coze_nats.jetstream.tls import make_context

certificate, key = sys.stdin.read().split("|")
options = ConnectionOptions(servers=("tls://nats",), certificate=certificate, private_key=key)
sys.addaudithook(refuse)
make_context(options)
"""


def test_a_private_key_that_comes_as_a_text_is_written_to_no_file(pair: Pair) -> None:
    """In a process of its own: what looks out for files being opened can't be switched off."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK_OUT],
        input=f"{pair.certificate.read_text()}|{pair.key.read_text()}",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


async def test_a_context_is_made_once_for_each_content(
    tmp_path: Path, authority: Authority, pair: Pair
) -> None:
    text = authority.certificate.read_text()
    file = tmp_path / "ca.crt"
    file.write_text(text)
    by_file = ConnectionOptions(servers=(URL,), ca_file=str(file))
    made = await context_of(by_file)
    assert await context_of(ConnectionOptions(servers=("tls://other",), ca=text)) is made
    file.write_text(pair.certificate.read_text())
    assert await context_of(by_file) is not made
    system = ConnectionOptions(servers=(URL,))
    assert await context_of(system) is await context_of(system) is not made


async def test_what_can_not_be_used_is_looked_at_again(
    tmp_path: Path, authority: Authority
) -> None:
    file = tmp_path / "ca.crt"
    options = ConnectionOptions(servers=(URL,), ca_file=str(file))
    with pytest.raises(UnusableCertificates):
        await context_of(options)
    file.write_bytes(authority.certificate.read_bytes())
    assert (await context_of(options)).get_ca_certs()
