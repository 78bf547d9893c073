"""What is known of packages with compiled files."""

from __future__ import annotations

from typing import NamedTuple

#: Packages that work without their compiled files, and what of them must be importable then. Nothing: all of their
#: modules. They are tried where there is a Python to try them with; this is for where there is none.
FALLS_BACK: dict[str, tuple[str, ...]] = {
    "sqlalchemy": ("sqlalchemy.orm",),  # each compiled module is imported on the way; sqlalchemy.ext.asyncio wants more
    "markupsafe": (),
    "pyyaml": ("yaml",),  # yaml.cyaml and _yaml are about the compiled part alone
    "charset-normalizer": (),
    "frozendict": (),
    "protobuf": ("google.protobuf.message", "google.protobuf.descriptor_pb2"),
    "zope-interface": (),
}
#: Packages of which it is known that they do not, though they may be importable.
NEEDS: dict[str, str] = {
    "cffi": "it is a bridge to compiled code",
    "cryptography": "its algorithms are compiled. Sessions can be kept in the database (session.type: sql)",
    "gevent": "it switches stacks in compiled code",
    "grpcio": "the protocol is spoken by compiled code",
    "lxml": "it is a face of libxml2",
    "mysqlclient": "it is a face of MySQL's library. PyMySQL, which Demijohn brings along, is pure Python",
    "numpy": "its arrays are compiled",
    "pillow": "its pictures are read by compiled code",
    "psycopg-binary": "it is PostgreSQL's library. MySQL can be asked in pure Python, by PyMySQL",
    "psycopg2-binary": "it is PostgreSQL's library. MySQL can be asked in pure Python, by PyMySQL",
}


class Dispensable(NamedTuple):
    """A package without which a site can do."""

    #: What becomes of it, to be read after `left out whole: `.
    then: str
    #: The packages that cannot do without it.
    needed_by: tuple[str, ...] = ()
    #: The extra of Demijohn that it belongs to; a site whose settings use that needs it.
    extra: str = ""
    #: Packages that are good for nothing without it, unless another one needs them.
    along: tuple[str, ...] = ()


DISPENSABLE: dict[str, Dispensable] = {
    "pylibmc": Dispensable("memcached is asked by pymemcache", ("django-pylibmc",)),
    "greenlet": Dispensable("only SQLAlchemy's asyncio extension needs it", ("gevent", "eventlet", "playwright")),
    "hiredis": Dispensable("redis reads answers in Python"),
    "psycopg-binary": Dispensable("no PostgreSQL is set for this site", extra="postgresql", along=("psycopg",)),
    "cryptography": Dispensable(
        "no sessions in cookies are set for this site", extra="cookie", along=("cffi", "pycparser")
    ),
    "pillow": Dispensable("pictures are kept as they come, not written anew", extra="images"),
}
