"""Calls that have no place at import: how each is told from others, and what it means on a host."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from demijohn.check.boot import MODEL
from demijohn.hosts import Host

#: The message, the fix and the level.
Said = tuple[str, str, str]

_SITE = r"demijohn\.Site\(\)"
_ENGINE = rf"(sqlalchemy\.(create_engine|engine_from_config|engine\.create_engine)\(\)|{_SITE}\.db\.engine)"
_DATABASE = (
    rf"{_SITE}\.(create_tables|db\.(unit|create_all|page|alone|session\.\w+))"
    rf"|{_ENGINE}\.(connect|begin|raw_connection|execute|connect\(\)\.\w+)"
    r"|sqlalchemy\.(orm\.)?MetaData\(\)\.(create_all|reflect|drop_all)|(.*\.)?metadata\.(create_all|reflect|drop_all)"
    r"|sqlite3\.connect|pymysql\.connect|psycopg2?\.connect|MySQLdb\.connect"
    rf"|{MODEL}\.(get|get_or_404|all|create)"
)
_SERVER = (
    rf"bottle\.run|(bottle\.(Bottle|default_app|app)\(\)|{_SITE}|flask\.Flask\(\))\.run|waitress\.serve"
    r"|paste\.httpserver\.serve|cherrypy\.quickstart|werkzeug\.serving\.run_simple|aiohttp\.web\.run_app|uvicorn\.run"
    r"|(wsgiref\.simple_server\.(make_server|WSGIServer)|gevent\.pywsgi\.WSGIServer|http\.server\.\w*HTTPServer"
    r"|socketserver\.\w+|cheroot\.(wsgi|wsgi\.wsgi)\.Server)\(\)\.(serve_forever|start|safe_start)"
)
_THREAD = (
    r"threading\.Thread\(\)\.start|logging\.handlers\.QueueListener\(\)\.start|_thread\.start_new_thread|apscheduler\.[\w.]*Scheduler\(\)\.start"
    r"|gevent\.spawn\w*|concurrent\.futures\.(thread\.)?ThreadPoolExecutor\(\)\.(submit|map)"
    r"|multiprocessing\.(pool|dummy)\.(ThreadPool|Pool)"
)
_PROCESS = (
    r"subprocess\.(run|Popen|call|check_call|check_output|getoutput|getstatusoutput)|os\.(system|popen|fork|spawn\w+)"
    r"|multiprocessing\.(Process\(\)\.start|Pool|Manager)"
    r"|concurrent\.futures\.(process\.)?ProcessPoolExecutor\(\)\.(submit|map)"
)
_WRITE = (
    r"os\.(mkdir|makedirs|remove|unlink|rename|replace|rmdir|symlink|link|mknod|truncate|chmod|utime)"
    r"|shutil\.(copy\w*|move|rmtree|make_archive|unpack_archive)|(shelve|dbm)\.open"
    r"|pathlib\.Path\(\)\.(mkdir|touch|write_text|write_bytes|unlink|rename|replace|rmdir|symlink_to|chmod)"
    r"|logging\.(FileHandler|handlers\.(RotatingFileHandler|TimedRotatingFileHandler|WatchedFileHandler))"
)
_TEMPORARY = (
    r"tempfile\.(gettempdirb?|mkstemp|mkdtemp|mktemp|NamedTemporaryFile|TemporaryFile|TemporaryDirectory"
    r"|SpooledTemporaryFile\(\)\.rollover)"
)
_VERBS = "(get|post|put|head|request|delete|patch)"
_NETWORK = (
    rf"urllib\.request\.(urlopen|urlretrieve)|(requests|httpx)\.{_VERBS}|requests\.(sessions\.)?Session\(\)\.{_VERBS}"
    r"|socket\.(create_connection|gethostbyname|getaddrinfo|socket\(\)\.connect)|smtplib\.SMTP(_SSL)?"
    r"|ftplib\.FTP(_TLS)?|imaplib\.IMAP4(_SSL)?|http\.client\.HTTPS?Connection\(\)\.request"
    r"|redis\.(Redis|StrictRedis|from_url|Redis\.from_url)\(\)\.\w+"
)
OPEN = r"open|codecs\.open|gzip\.open|pathlib\.Path\(\)\.open"
READ = (
    r"pathlib\.Path\(\)\.(read_text|read_bytes|iterdir|glob)|os\.(listdir|scandir)"
    r"|configparser\.(ConfigParser|RawConfigParser)\(\)\.read|logging\.config\.fileConfig"
    r"|pandas\.read_\w+|numpy\.(load|loadtxt|genfromtxt|fromfile)|PIL\.Image\.open|joblib\.load"
)
RANDOM = (
    r"secrets\.(token_\w+|choice|randbelow|randbits)|os\.urandom|uuid\.uuid[14]"
    r"|random\.(\w+|SystemRandom\(\)\.\w+)"
)


class Rule(NamedTuple):
    """Calls of one kind."""

    code: str
    #: A pattern of the whole name.
    called: str
    #: What it means on this host; None: the host has nothing against it.
    says: Callable[[Host], Said | None]


def _database(host: Host) -> Said:
    forked = " What is connected here is shared by all workers that are forked from this process."
    message = "The database is asked while the site is loaded: if it is down, the site does not start."
    fix = "Ask it in a request. `demijohn db create` or `demijohn db upgrade` makes the tables before the start."
    return message + forked * host.forks, fix, "error"


def _server(host: Host) -> Said:
    message = "A server is started while the site is loaded: the loading never ends, and the host gives up."
    return message, 'Put it under `if __name__ == "__main__":`. The host asks `application` for itself.', "error"


def _thread(host: Host) -> Said:
    if not host.threads:
        message = f"A thread is started while the site is loaded, and {host.title} gives the site none."
        return message, "Do the work in a request that the host's scheduler makes.", "error"
    message = "A thread is started while the site is loaded: each worker has its own, or after a fork none."
    return message, "Do the work in a process of its own, or in a request that a scheduler makes.", "warning"


def _process(host: Host) -> Said:
    if not host.processes:
        message = f"A program is run while the site is loaded, and {host.title} lets the site run none."
        return message, "Do it before the upload, or in Python.", "error"
    message = "A program is run while the site is loaded: by each worker, and at each start."
    return message, "Do it in the release command, or before the upload.", "warning"


def writes(host: Host) -> Said | None:
    if host.disk == "kept":
        return None
    fix = "Keep it in memory or in the database; log to stderr."
    if host.disk == "none":
        message = f"A file is written while the site is loaded, and {host.title} has no disk: the site does not start."
        return message, fix, "error"
    message = f"A file is written while the site is loaded: {host.title} forgets it at the next restart."
    return message, fix, "warning"


def _temporary(host: Host) -> Said | None:
    if host.temp or host.disk != "none":
        return None
    message = f"A temporary file is asked for while the site is loaded, and {host.title} has no place for one."
    return message, "Use io.BytesIO.", "error"


def _network(_host: Host) -> Said:
    message = "Somebody else's server is asked while the site is loaded: if that is down, so is the site."
    return message, "Ask it when the first request needs it, and keep the answer.", "warning"


RULES = (
    Rule("I301", _DATABASE, _database),
    Rule("I303", _SERVER, _server),
    Rule("I304", _THREAD, _thread),
    Rule("I305", _PROCESS, _process),
    Rule("I306", _WRITE, writes),
    Rule("I309", _TEMPORARY, _temporary),
    Rule("I310", _NETWORK, _network),
)
