"""A private stand-in for Google Cloud Storage, and the service account that it knows."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path
from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.services.process import Service

EMAIL = "tests@project.iam.gserviceaccount.com"


class GcsStandin(Service):
    name: ClassVar[str] = "gcs-standin"

    def prepare(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (self.folder / "key.pem").write_bytes(public)

    def command(self) -> list[str]:
        script = Path(__file__).with_name("gcs_standin.py")
        return [sys.executable, str(script), str(self.port), str(self.folder / "key.pem")]

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}/", timeout=10):
                return True
        except OSError:
            return False

    def key(self, **other: str) -> str:
        """The JSON of the service account, as Google hands it out, but for the address, and for what is `other`."""
        said = {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": "tests",
            "private_key": self._private,
            "client_email": EMAIL,
            "gcs_base_url": f"http://{self.address}",
        }
        return json.dumps({**said, **other})

    def create(self, bucket: str) -> str:
        """Make a bucket; returns its name."""
        request = urllib.request.Request(f"http://{self.address}/{bucket}", method="PUT")
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            return bucket
