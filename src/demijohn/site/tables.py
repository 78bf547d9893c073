"""The tables that a site's parts keep things in, beside those of its models."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from demijohn.site import Site


def declare_tables(site: Site) -> None:
    """Have all of them declared that belong to the site's database, for whatever makes its tables or writes its
    migrations. The models' are; those of a part that nobody has used yet may not be."""
    if site.session_type in ("sql", "cached-sql"):
        site.sessions.create_table()  # in a database of its own it is made; it has no migrations
    if site.db.url:
        from demijohn.shared.sql import shared_table

        shared_table(site.db.metadata)
        site.tickets.declare(site.db.metadata)
    if site.static.kept is not None:
        from demijohn.static.kept import static_table

        static_table(site.db.metadata)
    if site.files.in_use:
        declare_files(site)


def declare_files(site: Site) -> None:
    """Have the tables of the files declared, where they are in the site's database."""
    if site.settings["files.store"] == "database":
        from demijohn.files.stores.database import files_tables

        files_tables(site.db.metadata)
