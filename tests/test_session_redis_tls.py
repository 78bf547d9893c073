"""Redis behind TLS, with a certificate that it has signed by itself."""

from __future__ import annotations

import datetime
import ipaddress
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from demijohn.errors import StoreUnavailableError
from demijohn.sessions.stores.redis import RedisStore
from tests.services import HOST, Redis, free_port

ID = secrets.token_urlsafe(32)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a Redis that has signed its certificate by itself, and that certificate."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis.example")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate").write_bytes(certificate.public_bytes(pem))
    plain = serialization.NoEncryption()
    (folder / "key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    port = free_port()
    files = ("--tls-cert-file", f"{folder / 'certificate'}", "--tls-key-file", f"{folder / 'key'}")
    with Redis("--tls-port", str(port), *files, "--tls-auth-clients", "no"):
        yield f"{HOST}:{port}", folder / "certificate"


def test_a_certificate_that_nobody_vouches_for(tls: tuple[str, Path]) -> None:
    address, _ = tls
    with pytest.raises(
        StoreUnavailableError, match=r"CERTIFICATE_VERIFY_FAILED.* set redis\.verify to false \(in code: verify=False\)"
    ):
        RedisStore.at(f"rediss://{address}").read(ID)
    store = RedisStore.at(f"rediss://{address}", verify=False)
    assert store.add(ID, b"{}", 60)
    assert store.read(ID)
    store.close()


def test_a_certificate_is_checked_with_the_name_that_stands_in_it(tls: tuple[str, Path]) -> None:
    address, certificate = tls
    store = RedisStore.at(f"rediss://{address}?ssl_ca_certs={certificate}")
    store.read(ID)
    store.close()
    elsewhere = address.replace(HOST, "localhost")
    with pytest.raises(StoreUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
        RedisStore.at(f"rediss://{elsewhere}?ssl_ca_certs={certificate}").read(ID)
