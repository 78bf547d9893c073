"""`demijohn db init`: the folder of the migrations."""

from __future__ import annotations

import argparse

from demijohn.site import Site


def arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(site: Site, args: argparse.Namespace) -> int:
    from demijohn.database.migrations.environment import need_alembic
    from demijohn.database.migrations.write import make_folder

    need_alembic()
    folder = site.db.migrations.folder
    new = make_folder(folder)
    if (folder / "env.py").exists():
        print(
            f"{folder} comes from Alembic or Flask-Migrate: its migrations are used as they are. Its env.py is not "
            "run: what it sets beyond a connection and the models has no effect here."
        )
    elif new:
        print(f"Made {folder}. Next, write the first migration: demijohn db migrate")
    else:
        print(f"{folder} is there.")
    return 0
