"""Certificates of the tests' own, made when they are asked for."""

from __future__ import annotations

import datetime
import ipaddress
import shutil
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.services.process import HOST, Service


class Authority:
    """Signs certificates of servers at 127.0.0.1, but not of `localhost`."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("an authority of the tests")
        extension = x509.BasicConstraints(ca=True, path_length=None)
        self._certificate = _builder(self._name, self._name, self._key).add_extension(extension, critical=True)
        self.pem = self._certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def equip(self, server: Service) -> tuple[Path, Path]:
        """Put a certificate and its key into the server's folder, its own and only for its eyes. Their paths."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
        certificate = _builder(_name("a server of the tests"), self._name, key).add_extension(names, critical=False)
        signed = certificate.sign(self._key, hashes.SHA256())
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        files = server.folder / "certificate", server.folder / "key"
        files[0].write_bytes(signed.public_bytes(pem))
        files[1].touch(0o600)
        files[1].write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
        if account := server._account():
            for file in files:
                shutil.chown(file, account)
        return files


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
