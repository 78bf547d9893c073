"""Which store the uploads are kept in, and what it lacks."""

from __future__ import annotations

from collections.abc import Iterator

from demijohn.config.draft import Draft
from demijohn.config.settings import CHOSEN

_OBJECTS = ("s3", "gcs")


def choose(draft: Draft) -> None:
    """The database, where there is one, in place of `auto`."""
    if draft.values["files.store"] != "auto":
        return
    if draft.values["database.url"]:
        draft.put("files.store", "database", f"{CHOSEN}: a database is set")
    else:
        draft.put("files.store", "memory", f"{CHOSEN}: no database is set")


def lacks(draft: Draft) -> Iterator[str]:
    """What the store needs and the settings do not give."""
    store = draft.values["files.store"]
    if store == "database" and not draft.values["database.url"]:
        yield "files.store is database, but database.url is empty"
    if store in _OBJECTS and not draft.values["files.bucket"]:
        yield f"files.store is {store}, but files.bucket is not set"
    if store == "s3" and bool(draft.values["files.key_id"]) != bool(draft.values["files.key"]):
        yield "files.key_id and files.key belong together, and only one of them is set"
    if store == "gcs" and draft.values["files.key"] and not _is_account(draft.values["files.key"]):
        yield "files.store is gcs, and files.key is not the JSON of a service account"
    if store == "memory" and draft.production and not draft.is_default("files.store"):
        yield "files.store is memory, and outside development each process would have files of its own, until it ends"


def _is_account(key: object) -> bool:
    import json

    try:
        said = json.loads(str(key))
    except ValueError:
        return False
    return isinstance(said, dict) and {"client_email", "private_key", "private_key_id"} <= set(said)


def forgetful_disk(draft: Draft) -> Iterator[str]:
    disk = {"forgets": "forgets what is written to its disk", "none": "has no disk to write to"}.get(draft.host.disk)
    if draft.values["files.store"] == "disk" and disk and not draft.rehearsal:
        yield f"files.store is disk, and {draft.host.title} {disk}; set it to database, s3 or gcs"


def missing_package(draft: Draft) -> Iterator[str]:
    store = draft.values["files.store"]
    if store not in _OBJECTS:
        return
    from importlib.util import find_spec

    if find_spec("obstore") is None:
        yield f"files.store is {store}, which needs the package obstore: pip install 'demijohn[{store}]'"


_NAMES = ("files.store", "database.url", "files.bucket", "files.key_id", "files.key")
#: As in rules.py.
CONTRADICTIONS = (
    (_NAMES, lacks),
    (("files.store",), forgetful_disk),
    (("files.store",), missing_package),
)
