"""Files in an object store, S3 or Google's, by obstore.

Each saving is an object of its own, `PREFIX/NAME/TOKEN`, so that counting needs no lock, which object stores do not
have: a name is there as long as one of its objects is. What is larger than a piece is uploaded as `PREFIX/half/TOKEN`,
since its name is only known at its end, and then copied to its place by the store itself.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from demijohn.files.content import Incoming, is_name
from demijohn.files.errors import FilesDownError, FilesMissingError, NoFileError
from demijohn.files.stores.base import Found, Kept, token
from demijohn.forks import in_child, renew
from demijohn.outage import Outage

log = logging.getLogger("demijohn.files")
_NO_BUCKET = "There is none of this name there: make it, or mend files.bucket, files.region and files.endpoint."
_NO_RIGHT = "Look at the key (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY; for gcs files.key), and what it may do there."
_NO_KEY = " - files.key_id is not set, so the machine is asked for a key of its own, which only Amazon's have"

#: Bytes that go up at a time: the least that S3 takes for a part of an upload.
_PART = 5 * 1024 * 1024
#: Bytes that come down at a time.
_PIECE = 1024 * 1024
_HALF = "half"
#: Only the settings can be the cause of such an answer.
_REFUSAL = re.compile("<Code>NoSuchBucket|status code: 40[13]")


class ObjectStore:
    """:param name: `s3` or `gcs`.
    :param bucket: its name; it must be there.
    :param prefix: goes before each key, so that sites can share a bucket.
    :param endpoint: of S3: the address of a server that is not Amazon's.
    :param region: of S3.
    :param key_id: of S3: with `key`, who the site is; else what the machine itself says of that.
    :param key: of Google's: the JSON of a service account; else what the machine says.
    """

    def __init__(
        self,
        name: str,
        bucket: str,
        *,
        prefix: str = "files",
        endpoint: str | None = None,
        region: str | None = None,
        key_id: str | None = None,
        key: str | None = None,
    ) -> None:
        self.name = name
        self._prefix = prefix or "files"
        given = {"endpoint": endpoint, "region": region, "access_key_id": key_id, "secret_access_key": key}
        if name == "gcs":  # which stumbles over settings that are Amazon's
            given = {"service_account_key": key}
        self._given: dict[str, Any] = {name: str(value) for name, value in given.items() if value}
        self._bucket = bucket
        self._open: Any = None
        try:
            import obstore
        except ModuleNotFoundError as error:
            raise FilesMissingError(
                f"files.store is {name}, which needs the package obstore: pip install 'demijohn[{name}]'"
            ) from error
        self._obstore = obstore
        self._outage = Outage(f"The bucket {bucket} ({name})", log)
        in_child(self, _reopen)

    def save(self, incoming: Incoming) -> bool:
        mark = token()
        half = f"{self._prefix}/{_HALF}/{mark}"
        pieces = incoming.pieces(_PART)
        first = next(pieces, b"")
        if incoming.ended:
            self._put(self._key(incoming.name, mark), first, incoming.type)
            return False
        try:
            self._put_many(half, first, pieces, incoming.type)
            with self._faults(half):
                self._obstore.copy(self._store, half, self._key(incoming.name, mark))
        finally:
            with contextlib.suppress(Exception):  # what is left is found by `clean`
                self._obstore.delete(self._store, half)
        return False

    def find(self, name: str) -> Found | None:
        object = self._one(name)
        return None if object is None else Found(object["size"], object["path"])

    def read(self, found: Found, start: int, stop: int) -> Iterator[bytes]:
        for at in range(start, stop, _PIECE):
            with self._faults(found.key):
                piece = self._obstore.get_range(self._store, found.key, start=at, end=min(at + _PIECE, stop))
            yield bytes(piece)

    def release(self, name: str) -> bool:
        objects = list(self._all(f"{self._prefix}/{name}"))
        for object in objects:
            # Two who delete at once must not both take the same of several.
            if (len(objects) == 1 or self._claim(object["path"])) and self._delete(object["path"]):
                return True
        return False

    def kept(self) -> Iterator[Kept]:
        last: list[Any] = []
        name = ""
        for object in self._all(self._prefix):
            other = object["path"].split("/")[-2]
            if other != name and last:
                yield _kept(name, last)
                last = []
            name = other
            if is_name(name):
                last.append(object)
        if last:
            yield _kept(name, last)

    def clean(self, before: float) -> int:
        count = 0
        for object in self._all(f"{self._prefix}/{_HALF}"):
            if object["last_modified"].timestamp() < before:
                count += self._delete(object["path"])
        return count

    def close(self) -> None:
        self._open = None

    @property
    def _store(self) -> Any:
        renew()
        if self._open is None:
            from obstore.store import GCSStore, S3Store

            # Else a store that is down is asked ten times, for three minutes.
            options: dict[str, Any] = {
                "client_options": {"connect_timeout": "5s", "timeout": "60s"},
                "retry_config": {"max_retries": 2, "retry_timeout": timedelta(seconds=20)},
            }
            if _address(self._given).startswith("http://"):
                options["client_options"]["allow_http"] = True
            kind = GCSStore if self.name == "gcs" else S3Store
            self._open = kind(self._bucket, **self._given, **options)
        return self._open

    def _key(self, name: str, mark: str) -> str:
        return f"{self._prefix}/{name}/{mark}"

    def _put(self, key: str, content: bytes, type: str) -> None:
        with self._faults(key):
            self._obstore.put(self._store, key, content, attributes={"Content-Type": type})

    def _put_many(self, key: str, first: bytes, rest: Iterator[bytes], type: str) -> None:
        broken: list[BaseException] = []

        def content() -> Iterator[bytes]:
            try:
                yield first
                yield from rest
            except BaseException as error:  # of whoever sends the file, and not of the store
                broken.append(error)
                raise

        with self._faults(key):
            try:
                self._obstore.put(
                    self._store,
                    key,
                    content(),
                    attributes={"Content-Type": type},
                    use_multipart=True,
                    chunk_size=_PART,
                    max_concurrency=1,
                )
            except BaseException:
                if not broken:
                    raise
        if broken:
            raise broken[0]

    def _delete(self, path: str) -> bool:
        """False: somebody else has just done it. S3 does not tell; Google's does, by a 404."""
        try:
            with self._faults(path):
                self._obstore.delete(self._store, path)
        except NoFileError:
            return False
        return True

    def _claim(self, path: str) -> bool:
        """Be the only one to delete this object. `clean` sweeps up what is left of that."""
        from obstore.exceptions import AlreadyExistsError, BaseError

        claim = f"{self._prefix}/{_HALF}/{path.rpartition('/')[2]}-deleted"
        try:
            self._obstore.put(self._store, claim, b"", mode="create")
        except AlreadyExistsError:
            return False
        except BaseError as error:  # not every server can do that
            log.debug("The bucket %s knows no conditional writes: %s", self._bucket, _line(error))
        return True

    def _one(self, name: str) -> Any:
        return next(self._all(f"{self._prefix}/{name}"), None)

    def _all(self, prefix: str) -> Iterator[Any]:
        with self._faults(prefix):
            for part in self._obstore.list(self._store, prefix=prefix):
                yield from part

    @contextlib.contextmanager
    def _faults(self, what: str) -> Iterator[None]:
        from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError

        outage = self._outage
        if outage.down and not outage.may_ask():
            raise FilesDownError(self.name, "it failed a moment ago")
        try:
            yield
        except (NotFoundError, FileNotFoundError) as error:
            if _REFUSAL.search(str(error)):
                raise self._refused(error) from error
            raise NoFileError(what) from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise self._refused(error) from error
        except (BaseError, OSError) as error:
            if _REFUSAL.search(str(error)):  # to a list, where obstore does not tell it from other errors
                raise self._refused(error) from error
            outage.failed(_line(error) + (_NO_KEY if self.name == "s3" and "access_key_id" not in self._given else ""))
            raise FilesDownError(self.name, error) from error
        if outage.down:
            outage.over()

    def _refused(self, error: Exception) -> FilesDownError:
        """It answers: that is no outage."""
        advice = _NO_BUCKET if "NoSuchBucket" in str(error) else _NO_RIGHT
        log.error("The bucket %s (%s) refuses. %s It said: %s", self._bucket, self.name, advice, _line(error))
        if self._outage.down:
            self._outage.over()
        return FilesDownError(self.name, error)


def _address(given: Mapping[str, str]) -> str:
    """Of the server, where it is said. What stands in for Google's is named in the JSON of the service account, or by
    obstore's own variable."""
    if "service_account_key" in given:
        with contextlib.suppress(ValueError, AttributeError):
            return str(json.loads(given["service_account_key"]).get("gcs_base_url", ""))
    return given.get("endpoint") or os.environ.get("GOOGLE_BASE_URL", "")


def _line(error: Exception) -> str:
    """What it says, without the address and the pages behind it."""
    text = str(error)
    status = re.search(r"status code: (\d{3}[\w ]*)", text)
    if status is None:
        return text.partition("\n")[0][:300]
    code = re.search(r"<Code>(\w+)</Code>", text)
    return f"{status[1]}, {code[1]}" if code else status[1]


def _kept(name: str, objects: list[Any]) -> Kept:
    return Kept(name, objects[0]["size"], len(objects), max(each["last_modified"].timestamp() for each in objects))


def _reopen(store: ObjectStore) -> None:
    store._open = None  # the parent's connections are the parent's
