"""Certificates as `openssl` makes them without a configuration: what kubectl accepts, we accept.

Python asks for more from 3.13 on, which is where these tests can fail; the image has 3.13.
"""

import datetime
import ssl
from collections.abc import Callable
from pathlib import Path

import kubernetes
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from coze_nats.jetstream import tls
from coze_nats.jetstream.options import ConnectionOptions
from coze_nats.kube import session

HOST = "server.example"
DAY = datetime.timedelta(days=1)

MakeContext = Callable[[Path], ssl.SSLContext]


def for_nats(authority: Path) -> ssl.SSLContext:
    return tls.make_context(
        ConnectionOptions(servers=(f"tls://{HOST}",), ca_file=str(authority), request_timeout=5)
    )


def for_kubernetes(authority: Path) -> ssl.SSLContext:
    configuration = kubernetes.client.Configuration(host=f"https://{HOST}")
    configuration.ssl_ca_cert = str(authority)
    return session._ssl_context(configuration)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return issued(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def of_others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of another authority that has the same name."""
    return issued(tmp_path_factory.mktemp("others"))


def issued(folder: Path) -> Path:
    """Write ca.crt, which says nothing but that it is an authority, and server.pem by it."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = (
        builder("kubernetes", "kubernetes")
        .public_key(ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    server = (
        builder(HOST, "kubernetes")
        .public_key(key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    (folder / "ca.crt").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "server.pem").write_bytes(private + server.public_bytes(serialization.Encoding.PEM))
    return folder


def builder(subject: str, issuer: str) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
    )


def shake_hands(client_side: ssl.SSLContext, certificate: Path, host: str) -> None:
    """A TLS handshake in memory; raises what the client finds wrong."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(down, up, server_hostname=host)
    server = server_side.wrap_bio(up, down, server_side=True)
    waiting = [client, server]
    while waiting:
        side = waiting.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(side)


@pytest.mark.parametrize("make", [for_nats, for_kubernetes])
def test_an_authority_without_extensions_is_trusted(make: MakeContext, certificates: Path) -> None:
    shake_hands(make(certificates / "ca.crt"), certificates / "server.pem", HOST)


@pytest.mark.parametrize("make", [for_nats, for_kubernetes])
def test_another_name_is_refused_all_the_same(make: MakeContext, certificates: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake_hands(make(certificates / "ca.crt"), certificates / "server.pem", "other.example")


@pytest.mark.parametrize("make", [for_nats, for_kubernetes])
def test_another_authority_is_refused_all_the_same(
    make: MakeContext, certificates: Path, of_others: Path
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(make(of_others / "ca.crt"), certificates / "server.pem", HOST)
