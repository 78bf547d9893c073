"""A private S3: moto's, which keeps its buckets in memory and takes any key for a good one."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from typing import ClassVar

from tests.services.process import PATIENCE, Service


class S3(Service):
    name: ClassVar[str] = "s3"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "moto.server", "--host", self.host, "--port", str(self.port)]

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def answers(self) -> bool:
        try:
            return bool(self.ask("GET", "/"))
        except OSError:
            return False

    def create(self, bucket: str) -> str:
        """Make a bucket; returns its name."""
        self.ask("PUT", f"/{bucket}")
        return bucket

    def ask(self, method: str, path: str) -> bytes:
        """What it answers to an unsigned request."""
        with urllib.request.urlopen(urllib.request.Request(self.url + path, method=method), timeout=PATIENCE) as answer:  # noqa: S310
            content: bytes = answer.read()
        return content
