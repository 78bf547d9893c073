"""A stand-in for Google Cloud Storage: python -m tests.services.gcs_standin PORT KEY

It is no server of Google's: nobody has one that speaks the XML API whole. It does what Google's reference of that API
says of what the site's store asks for, and of nothing else: https://cloud.google.com/storage/docs/xml-api/reference-methods.
Who asks must show a token that the service account has signed itself, which is checked by the public key in the file
KEY (https://google.aip.dev/auth/4111), or one that a machine of Google's has from its metadata server, which this one
is as well; only buckets are made for everyone. Lists come in short pages, and all of it is in memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

#: Objects in one page of a list. Google's have up to 1000, and may have fewer.
PAGE = 5
#: Bytes of the smallest part but the last: https://cloud.google.com/storage/quotas#requests
LEAST = 5 * 1024 * 1024
#: Where a machine of Google's asks who it is: https://cloud.google.com/compute/docs/access/authenticate-workloads
METADATA = "/computeMetadata/v1/instance/service-accounts/default/token"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class Object(NamedTuple):
    content: bytes
    type: str
    generation: int
    #: Seconds since the epoch.
    modified: float

    @property
    def tag(self) -> str:
        return f'"{hashlib.md5(self.content, usedforsecurity=False).hexdigest()}"'


class Refused(Exception):
    """:param code: as https://cloud.google.com/storage/docs/xml-api/reference-status lists them."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class Answer(NamedTuple):
    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Upload(NamedTuple):
    name: str
    type: str
    parts: dict[int, bytes]


class Bucket:
    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.uploads: dict[str, Upload] = {}
        self._numbers = count(1)

    def put(self, name: str, content: bytes, type: str, match: str | None = None) -> Answer:
        there = self.objects.get(name)
        if match is not None and match != str(there.generation if there else 0):
            raise Refused(412, "PreconditionFailed")
        made = self.objects[name] = Object(content, type, next(self._numbers), time.time())
        return Answer(200, b"", (("ETag", made.tag), ("x-goog-generation", str(made.generation))))

    def get(self, name: str) -> Object:
        if name not in self.objects:
            raise Refused(404, "NoSuchKey")
        return self.objects[name]

    def delete(self, name: str) -> Answer:
        self.get(name)
        del self.objects[name]
        return Answer(204)

    def copy(self, source: Object, name: str, match: str | None) -> Answer:
        answer = self.put(name, source.content, source.type, match)
        return answer._replace(body=_xml("CopyObjectResult", f"<ETag>{escape(source.tag)}</ETag>"))

    def listed(self, query: dict[str, str]) -> Answer:
        """https://cloud.google.com/storage/docs/xml-api/get-bucket-list"""
        after = base64.b64decode(query.get("continuation-token", "")).decode()
        names = sorted(name for name in self.objects if name.startswith(query.get("prefix", "")) and name > after)
        page = names[: min(PAGE, int(query.get("max-keys", PAGE)))]
        inner = f"<IsTruncated>{str(len(page) < len(names)).lower()}</IsTruncated>"
        if len(page) < len(names):
            token = base64.b64encode(page[-1].encode()).decode()
            inner += f"<NextContinuationToken>{token}</NextContinuationToken>"
        return Answer(200, _xml("ListBucketResult", inner + "".join(map(self._entry, page))))

    def _entry(self, name: str) -> str:
        there = self.objects[name]
        modified = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(there.modified)) + f".{there.modified % 1:.3f}"[2:]
        return (
            f"<Contents><Key>{escape(name)}</Key><Generation>{there.generation}</Generation>"
            f"<LastModified>{modified}Z</LastModified><ETag>{escape(there.tag)}</ETag>"
            f"<Size>{len(there.content)}</Size></Contents>"
        )

    # https://cloud.google.com/storage/docs/multipart-uploads

    def begin(self, name: str, type: str) -> Answer:
        number = f"upload-{next(self._numbers)}"
        self.uploads[number] = Upload(name, type, {})
        return Answer(200, _xml("InitiateMultipartUploadResult", f"<UploadId>{number}</UploadId>"))

    def upload(self, name: str, number: str) -> Upload:
        upload = self.uploads.get(number)
        if upload is None or upload.name != name:
            raise Refused(404, "NoSuchUpload")
        return upload

    def part(self, name: str, query: dict[str, str], content: bytes) -> Answer:
        self.upload(name, query["uploadId"]).parts[int(query["partNumber"])] = content
        return Answer(200, b"", (("ETag", f'"{hashlib.sha256(content).hexdigest()}"'),))

    def complete(self, name: str, number: str, body: bytes) -> Answer:
        upload = self.upload(name, number)
        wanted = [{child.tag: child.text or "" for child in part} for part in ElementTree.fromstring(body)]  # noqa: S314
        parts = [upload.parts.get(int(part["PartNumber"]), b"") for part in wanted]
        numbers = [int(part["PartNumber"]) for part in wanted]
        tags = [f'"{hashlib.sha256(part).hexdigest()}"' for part in parts]
        if tags != [part["ETag"] for part in wanted]:
            raise Refused(400, "InvalidPart")
        if not numbers or numbers != sorted(set(numbers)):
            raise Refused(400, "InvalidPartOrder")
        if any(len(part) < LEAST for part in parts[:-1]):
            raise Refused(400, "EntityTooSmall")
        del self.uploads[number]
        answer = self.put(name, b"".join(parts), upload.type)
        tag = dict(answer.headers)["ETag"]
        return answer._replace(body=_xml("CompleteMultipartUploadResult", f"<ETag>{escape(tag)}</ETag>"))


class Standin(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, key: bytes) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.key: Any = load_pem_public_key(key)
        self.buckets: dict[str, Bucket] = {}
        self.lock = threading.Lock()
        self.token = secrets.token_urlsafe()

    def known(self, authorization: str) -> bool:
        """Whether it is the machine's token, or one that the service account has signed, and for this."""
        token = authorization.removeprefix("Bearer ")
        if token == self.token:
            return True
        try:
            head, claims, signature = token.split(".")
            self.key.verify(_plain(signature), f"{head}.{claims}".encode(), PKCS1v15(), SHA256())
        except (ValueError, InvalidSignature):
            return False
        said, now = json.loads(_plain(claims)), time.time()
        in_time = said["iat"] <= now + 60 and now < said["exp"] <= said["iat"] + 3600
        right = json.loads(_plain(head))["alg"] == "RS256" and said["iss"] == said["sub"] and SCOPE in said["scope"]
        return right and in_time


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Standin

    def _do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            with self.server.lock:
                answer = self._answer(body)
        except Refused as refused:
            inner = f"<Code>{refused.code}</Code><Message>What the reference says of it.</Message>"
            answer = Answer(refused.status, _xml("Error", inner), (("Content-Type", "application/xml"),))
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _do

    def _answer(self, body: bytes) -> Answer:
        address = urlsplit(self.path)
        name, _, key = unquote(address.path)[1:].partition("/")
        query = {key: values[0] for key, values in parse_qs(address.query, keep_blank_values=True).items()}
        if self.command == "GET" and not name:
            return Answer()
        if address.path == METADATA and self.headers.get("Metadata-Flavor") == "Google":
            token = {"access_token": self.server.token, "expires_in": 3599, "token_type": "Bearer"}
            return Answer(200, json.dumps(token).encode())
        if self.command == "PUT" and not key:
            self.server.buckets[name] = Bucket()
            return Answer()
        if not self.server.known(self.headers.get("Authorization", "")):
            raise Refused(401, "AuthenticationRequired")
        bucket = self.server.buckets.get(name)
        if bucket is None:
            raise Refused(404, "NoSuchBucket")
        if not key:
            return bucket.listed(query)
        return self._object(bucket, key, query, body)

    def _object(self, bucket: Bucket, key: str, query: dict[str, str], body: bytes) -> Answer:
        type = self.headers.get("Content-Type", "application/octet-stream")
        match = self.headers.get("x-goog-if-generation-match")
        if self.command == "DELETE" and "uploadId" in query:
            bucket.upload(key, query["uploadId"])
            del bucket.uploads[query["uploadId"]]
            return Answer(204)
        if self.command == "DELETE":
            return bucket.delete(key)
        if self.command == "POST" and "uploads" in query:
            return bucket.begin(key, type)
        if self.command == "POST" and "uploadId" in query:
            return bucket.complete(key, query["uploadId"], body)
        if self.command == "PUT" and "uploadId" in query:
            return bucket.part(key, query, body)
        if self.command == "PUT" and (source := self.headers.get("x-goog-copy-source")):
            origin, _, name = unquote(source).lstrip("/").partition("/")
            return bucket.copy(self.server.buckets[origin].get(name), key, match)
        if self.command == "PUT":
            return bucket.put(key, body, type, match)
        if self.command in ("GET", "HEAD"):
            return self._content(bucket.get(key))
        raise Refused(405, "MethodNotAllowed")

    def _content(self, there: Object) -> Answer:
        headers = (
            ("Content-Type", there.type),
            ("ETag", there.tag),
            ("Last-Modified", formatdate(there.modified, usegmt=True)),
            ("x-goog-generation", str(there.generation)),
        )
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if wanted is None:
            return Answer(200, there.content, headers)
        start, last = int(wanted[1]), min(int(wanted[2]), len(there.content) - 1)
        if start > last:
            raise Refused(416, "InvalidRange")
        said = f"bytes {start}-{last}/{len(there.content)}"
        return Answer(206, there.content[start : last + 1], (*headers, ("Content-Range", said)))

    def log_message(self, *args: Any) -> None:
        """Nothing: what is asked is the tests' matter."""


def _plain(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _xml(name: str, inner: str) -> bytes:
    return f"<?xml version='1.0' encoding='UTF-8'?><{name}>{inner}</{name}>".encode()


if __name__ == "__main__":
    Standin(int(sys.argv[1]), Path(sys.argv[2]).read_bytes()).serve_forever()
