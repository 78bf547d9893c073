"""The codes of what a rehearsal finds, for docs/checks.md and whoever explains them."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """What a code stands for."""

    #: `error`, `warning`, or `error or warning` where it depends on the host.
    level: str
    #: What happens on the host.
    meaning: str
    #: What to do.
    fix: str


CODES: dict[str, Code] = {
    "R401": Code(
        "error",
        "The site does not start: loading it raises an exception. The line is the site's own that was being run.",
        "Mend what the exception says. `demijohn run --as HOST` shows it again.",
    ),
    "R402": Code(
        "error",
        "The site takes longer to start than the host waits for it, or never ends starting: a server's loop, input(), "
        "a wait for another machine.",
        "Do at the first request what the first request needs. A server is started by the host, not by the site.",
    ),
    "R403": Code(
        "error",
        "The site writes to a disk on which nothing can be written. In the rehearsal it got the same error as there.",
        "Keep data in the database, files of visitors in an object store, what is worth nothing in memory.",
    ),
    "R404": Code(
        "warning",
        "The site writes to a disk that forgets: the file is gone with the next restart, and other copies of the site "
        "never see it.",
        "Keep data in the database, files of visitors in an object store. What may be lost belongs into /tmp.",
    ),
    "R405": Code(
        "error",
        "The site listens on an address of its own. No visitor reaches it there, and each worker process would want "
        "the same one.",
        'Put `app.run()` under `if __name__ == "__main__":`. The host\'s server asks `application`.',
    ),
    "R406": Code(
        "error",
        "The site starts a thread where the host allows none.",
        "Do the work in the request, or in a task that the host starts by itself.",
    ),
    "R407": Code(
        "error",
        "The site starts another process where the host allows none.",
        "Do it in Python, or in a task that the host starts by itself.",
    ),
    "R408": Code(
        "warning",
        "The site asks its database or another server while it is imported. It does not start while that one is down, "
        "and what is connected before the fork is shared by all worker processes.",
        "Ask for it in the request that needs it. Tables are made by `demijohn db upgrade` or `demijohn db create`.",
    ),
    "R409": Code(
        "error or warning",
        "The site opens a file by a path that is taken from the working directory, which on some hosts is another "
        "folder than the site's. An error where it is.",
        "Put the folder in front: os.path.join(os.path.dirname(os.path.abspath(__file__)), NAME).",
    ),
    "R410": Code(
        "error",
        "A route answers with a status of 500 or more.",
        "Mend what the message says. An empty form, or a number that is nobody's, deserves an answer of its own.",
    ),
    "R411": Code(
        "error or warning",
        "A route takes longer than the host waits, or had not answered when the rehearsal gave it up: then it is an "
        "error where the host would have given it up as well.",
        "Let the request only begin the work; do it in a task, and show the result when it is there.",
    ),
    "R412": Code(
        "error",
        "A visit ends the process: os._exit(), a signal, or a crash in a compiled package. All visitors of that worker "
        "are cut off.",
        "Raise HTTPError to end a request. A crash is a fault of the package: update it.",
    ),
    "R413": Code(
        "error",
        "The worker processes need more memory than the smallest instance of the host has.",
        "Set server.workers (WEB_CONCURRENCY) to fewer, import large packages when they are needed, or take a larger "
        "instance.",
    ),
    "R414": Code(
        "error",
        "The tables, or the migrations, could not be made in an empty database, as the release command makes them.",
        "`demijohn db upgrade` on an empty database shows the same; mend the migration that it names.",
    ),
    "R415": Code(
        "warning",
        "Something was not rehearsed: the site needs another server to start or a variable that is not set here, its "
        "database has to be more than SQLite, too many routes hung, or time ran out.",
        "Mend the other findings first, set the variables here as on the host, and rehearse again.",
    ),
}
