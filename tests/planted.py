"""A small clean site, and faults to plant in it: one or more for each code of `demijohn check`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from demijohn import hosts
from demijohn.deploy.plan import make_plan
from tests.sites import ROOT

APP = """\
from __future__ import annotations

import os
import secrets

from demijohn import Site

site = Site(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KEYS = {"sort": secrets.choice}
if __name__ == "__main__":
    site.run()


@site.get("/", name="home")
def home():
    return site.render("home", token=secrets.token_hex())


@site.get("/notes")
def notes(db):
    with open(os.path.join(os.path.dirname(__file__), "notes.txt")) as file:
        return file.read()


def later():
    site.create_tables()
    os.makedirs("never")
"""
HOME = """\
{% extends "base.html" %}
{% block content %}
<a href="{{ url('home') }}"><img src="{{ static_url('icon.svg') }}" alt=""></a>
{% endblock %}
"""
BASE = "<!doctype html>\n<title>Trial</title>\n{% block content %}{% endblock %}\n"
SETTINGS = "name: trial\nversion: 1\n\ndemijohn:\n  session.timeout: 10m\n"
PACKAGES = ("demijohn", "bottle", "gunicorn", "jinja2", "sqlalchemy", "pyyaml")
HASH = "sha256:" + 64 * "0"


class Trial:
    """A site in a folder under git, with the files of some hosts."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def make(self, *names: str) -> Trial:
        self.write("config.yaml", SETTINGS)
        self.write("app/__init__.py", APP)
        self.write("app/notes.txt", "Nothing yet.\n")
        self.write("views/home.html", HOME)
        self.write("views/base.html", BASE)
        self.write("static/icon.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>\n")
        self.write("requirements.txt", "".join(f"{name}==1.0 --hash={HASH}\n" for name in PACKAGES))
        self.write(".gitignore", "*.sqlite\n/site-packages/*\n")
        for door in ("index.wsgi", "main.py"):
            shutil.copy(ROOT / door, self.root / door)
        for name in names:
            host = hosts.find(name)
            for path, text in host.files(make_plan(self.root, host, python="3.13", user="ann")).items():
                if not (self.root / path).exists():
                    self.write(path, text)
        self.git("init", "--quiet", "--template=")
        return self

    def write(self, path: str, content: str | bytes) -> str:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def add(self, path: str, line: str) -> str:
        """Put a line at the end of a file. Returns its place."""
        text = self.read(path) + line + "\n"
        self.write(path, text)
        return f"{path}:{len(text.splitlines())}"

    def change(self, path: str, old: str, new: str) -> str:
        """Put `new` in place of `old`, which is there once. Returns the place."""
        text = self.read(path)
        assert text.count(old) == 1, (path, old)
        self.write(path, text.replace(old, new))
        return f"{path}:{1 + text[: text.index(old)].count(chr(10))}"

    def setting(self, line: str) -> str:
        return self.add("config.yaml", f"  {line}")

    def code(self, line: str, imports: str = "") -> str:
        """A line that is run when the site is loaded."""
        if imports:
            self.add("app/__init__.py", f"import {imports}")
        return self.add("app/__init__.py", line)

    def git(self, *words: str) -> None:
        subprocess.run(["git", *words], cwd=self.root, check=True, capture_output=True)


class Plant(NamedTuple):
    """A fault, and what is to be found of it."""

    code: str
    host: str
    #: Puts the fault there. Returns its place: `path:line`, `path`, or nothing where it lies in no file.
    put: Callable[[Trial], str]
    #: It cannot stand beside the others: it breaks what they need, or is in the same place.
    alone: bool = False


def _link(trial: Trial) -> str:
    os.symlink("/etc/hostname", trial.root / "static/host")
    return "static/host"


def _big(trial: Trial) -> str:
    with (trial.root / "static/film.mp4").open("wb") as file:
        file.truncate(20 * 1024**2 + 1)
    return "static/film.mp4"


def _many(trial: Trial) -> str:
    for number in range(2001):
        trial.write(f"static/icons/{number}.txt", "")
    return "static/icons"


def _much(trial: Trial) -> str:
    for number in range(3):
        with (trial.root / f"static/film{number}.mp4").open("wb") as file:
            file.truncate(19 * 1024**2)
    return ""


def _gone(path: str) -> Callable[[Trial], str]:
    def put(trial: Trial) -> str:
        (trial.root / path).unlink()
        return path

    return put


def _outgrown(trial: Trial) -> str:
    """A route that takes more than what was written for nginx lets through."""
    trial.code('site.post("/films", body_limit=40 * 1024**2)(later)')
    path = "server/trial.nginx.conf"
    lines = trial.read(path).splitlines()
    return f"{path}:{1 + lines.index('    client_max_body_size 4096k;')}"


def _setting(line: str) -> Callable[[Trial], str]:
    return lambda trial: trial.setting(line)


def _code(line: str, imports: str = "") -> Callable[[Trial], str]:
    return lambda trial: trial.code(line, imports)


def _file(path: str, content: str | bytes, line: int = 0) -> Callable[[Trial], str]:
    return lambda trial: trial.write(path, content) + (f":{line}" if line else "")


def _changed(path: str, old: str, new: str) -> Callable[[Trial], str]:
    return lambda trial: trial.change(path, old, new)


def _refused_file(trial: Trial) -> str:
    trial.write("static/lesson.py", "print('Hello')\n")
    return trial.write("views/lesson.html", "<a href=\"{{ static_url('lesson.py') }}\">\n") + ":1"


def _whole(path: str, old: str, new: str) -> Callable[[Trial], str]:
    """A change whose fault lies in no line."""
    return lambda trial: trial.change(path, old, new).partition(":")[0]


def _compiled_before(trial: Trial) -> str:
    path = trial.write("site-packages/fast/_speed.cpython-38-x86_64-linux-gnu.so", b"\x7fELF")
    trial.git("add", "--force", path)
    return path


def _list_entry(trial: Trial) -> str:
    place = trial.add("config.yaml", "cron:")
    trial.add("config.yaml", "- url: /daily")
    return place


def _ignored_secret(secret: str) -> Callable[[Trial], str]:
    def put(trial: Trial) -> str:
        trial.add(".gitignore", "config.yaml")
        return trial.setting(f"secret: {secret}")

    return put


def _called_function(trial: Trial) -> str:
    trial.write("app/models.py", "import app\n\n\ndef fill():\n    with app.site.db.unit():\n        pass\n")
    trial.code("from app.models import fill")
    trial.code("fill()")
    return "app/models.py:5"


def _factory(trial: Trial) -> str:
    trial.write("app/factory.py", "def fill(given, *, also=None):\n    given.create_tables()\n    return given\n")
    trial.code("from app.factory import fill")
    trial.code("fill(site).render")
    return "app/factory.py:2"


def _given_back(trial: Trial) -> str:
    trial.code("def make():\n    def rows():\n        yield 1\n    return site\nother = make()")
    return trial.code("other.create_tables()")


def _at_its_making(trial: Trial) -> str:
    trial.code("class Store:\n    def __init__(self, path):\n        os.mkdir(path)")
    trial.code("Store(path='/srv/store')")
    return f"app/__init__.py:{len(trial.read('app/__init__.py').splitlines()) - 1}"


KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\n"
STRONG = "Zq8vN2xLw4TjRkP0mYcHs7Gd"

PLANTS = (
    Plant("S101", "heroku", _setting("session.tiemout: 5m")),
    Plant("S101", "gae", _setting("server.threads: many")),
    Plant("S101", "heroku", _changed("config.yaml", "  session.timeout: 10m", "\tsession: {"), alone=True),
    Plant("S102", "heroku", _setting("environment: development"), alone=True),
    Plant("S103", "heroku", _setting(f"secret: {STRONG}")),
    Plant("S103", "heroku", _setting(f"database.url: postgresql://ann:{STRONG}@db.example.org/notes"), alone=True),
    Plant("S103", "heroku", _setting(f"redis.url: redis://:{STRONG}@cache.example.org")),
    Plant("S103", "heroku", _setting(f"app.mail_password: {STRONG}")),
    Plant("S104", "local", _ignored_secret("change-me-before-you-go-live"), alone=True),
    Plant("S104", "local", _ignored_secret("too-short"), alone=True),
    Plant("S105", "heroku", _setting("session.secure: false")),
    Plant("S106", "heroku", _setting("session.httponly: false")),
    Plant("S107", "heroku", _setting("session.samesite: None"), alone=True),  # a mistake beside S105
    Plant("S108", "heroku", _setting("session.cookie_domain: herokuapp.com")),
    Plant("S109", "vm", _setting("session.type: memory"), alone=True),
    Plant("S110", "gae", _setting("database.url: sqlite:///notes.sqlite")),
    Plant("S111", "cloudrun", _setting("memcached.url: localhost:11211")),
    Plant("S112", "pythonanywhere", _setting("database.idle: 10m"), alone=True),
    Plant("S113", "heroku", _setting("database.max_connections: 1"), alone=True),
    Plant("S114", "gae", _setting("server.workers: 40")),
    Plant("S115", "pythonanywhere", _setting("server.threads: 4"), alone=True),
    Plant("S116", "cloudrun", _setting("body.limit: 40 MiB")),
    Plant("S116", "gae", _code('site.post("/films", body_limit=40 * 1024**2)(later)')),
    Plant("S117", "heroku", _setting("static.path: Static"), alone=True),
    Plant("S118", "heroku", _setting("database.echo: true")),
    Plant("S119", "heroku", _setting("security.csp: off")),
    Plant("S119", "vm", _setting("security.csp: {script-src: unsafe-inline}"), alone=True),
    Plant("S120", "docker", _setting("security.https: on")),
    Plant("F201", "heroku", _gone("main.py"), alone=True),
    Plant("F201", "vm", _gone("main.py"), alone=True),
    Plant("F201", "sae", _gone("index.wsgi"), alone=True),
    Plant("F202", "heroku", _whole("main.py", "app = _index.application", "web = _index.application"), alone=True),
    Plant("F202", "sae", _file("index.wsgi", "from app import site\n"), alone=True),
    Plant("F203", "heroku", lambda trial: trial.write("app/jobs.py", "def work():\n    return (\n\n") + ":2"),
    Plant("F203", "heroku", _file("app/text.py", b"a = 1\nb = '\xe9'\n", 2)),
    Plant("F203", "heroku", _file("app/__init__.py", "from demijohn import Site\nsite = Site(\n", 2), alone=True),
    Plant("F204", "heroku", _file("uv.lock", "version = 1\n")),
    Plant("F205", "heroku", _file("env/pyvenv.cfg", "home = /usr/bin\n")),
    Plant("F206", "heroku", _file("runtime.txt", "python-3.13.1\n")),
    Plant("F207", "heroku", _file(".python-version", "python-3.13\n", 1)),
    Plant("F208", "heroku", _file(".python-version", "# ours\n3.8\n", 2), alone=True),
    Plant("F209", "heroku", _gone("Procfile"), alone=True),
    Plant("F209", "gae", _gone("app.yaml"), alone=True),
    Plant("F210", "heroku", lambda trial: trial.write("Procfile", "worker: python jobs.py\n"), alone=True),
    Plant("F211", "heroku", _file("Procfile", "# ours\nweb: gunicorn main:app\r\n", 2)),
    Plant("F212", "heroku", _whole("requirements.txt", "gunicorn", "waitress")),
    Plant("F213", "heroku", _code("import scipy")),
    Plant("F214", "heroku", lambda trial: trial.add("requirements.txt", "markupsafe>=2")),
    Plant("F215", "sae", _file("site-packages/fast/_speed.abi3.so", b"\x7fELF"), alone=True),
    Plant("F216", "heroku", _compiled_before, alone=True),
    Plant("F217", "sae", _big, alone=True),
    Plant("F218", "sae", _many, alone=True),
    Plant("F219", "sae", _much, alone=True),
    Plant("F220", "heroku", _file("deploy.pem", KEY)),
    Plant("F220", "heroku", _file(".env", "SECRET_KEY=abc\n")),
    Plant("F220", "heroku", _file("notes.db", b"SQLite format 3\0" + bytes(84))),
    Plant("F220", "heroku", _file("ops/secrets.yml", "mail: abc\n")),
    Plant("F220", "heroku", _file("ops/account.json", '{"private_key": "-----BEGIN PRIVATE KEY-----"}')),
    Plant("F221", "heroku", _file("views/broken.html", "<p>\n{% if user %}\n<p>\n", 2)),
    Plant("F221", "heroku", _file("views/filter.html", "<p>\n{{ user | uper }}\n", 2)),
    Plant("F222", "heroku", _file("views/logo.html", "<p>\n\n<img src=\"{{ static_url('Icon.svg') }}\">\n", 3)),
    Plant("F222", "heroku", _code("ICON = site.static_url('logo.png')")),
    Plant("F222", "heroku", _code("ICON = site.static.url('logo.png')")),
    Plant("F222", "heroku", _refused_file),
    # Where some of the code cannot be read (F203), nobody knows all routes.
    Plant("F223", "heroku", _file("views/link.html", "<a href=\"{{ url('hoem') }}\">\n", 1), alone=True),
    Plant("F224", "heroku", _file("views/child.html", "{% extends 'bsae.html' %}\n", 1)),
    Plant("F224", "heroku", lambda trial: trial.code("def other():\n    return site.render('other')")),
    Plant("F225", "heroku", _file("calendar.py", "")),
    Plant("F225", "heroku", _file("bottle/__init__.py", "")),
    Plant("F225", "heroku", _file("app.py", "")),
    Plant("F226", "heroku", _file("static/a:b.txt", "")),
    Plant("F227", "heroku", lambda trial: trial.write("static/icon.SVG", "<svg/>\n").lower()),
    Plant("F228", "heroku", _link),
    Plant("F229", "sae", lambda trial: "site-packages", alone=True),
    Plant("F230", "vm", _outgrown, alone=True),
    Plant("F250", "gae", _file("app.yaml", "runtime: python313\nhandlers: }\n", 2)),
    Plant(
        "F251",
        "gae",
        lambda trial: trial.write("app.yaml", "entrypoint: gunicorn main:app\nruntime: python27\n") + ":2",
        alone=True,
    ),
    Plant(
        "F252",
        "gae",
        lambda trial: (trial.write("app.secret.yaml", "a: b\n"), trial.write(".gcloudignore", "*.md\n"))[1],
    ),
    Plant("F253", "gae", _file("cron.yaml", "cron:\n- {\n", 3)),
    Plant("F254", "sae", lambda trial: trial.add("config.yaml", "mysql: here"), alone=True),
    Plant("F255", "sae", _changed("config.yaml", "version: 1", "version: one"), alone=True),
    Plant("F256", "sae", _list_entry, alone=True),
    Plant("F257", "docker", lambda trial: trial.add("Dockerfile", "CMD gunicorn main:app")),
    Plant("F258", "docker", lambda trial: trial.add("Dockerfile", "USER root")),
    Plant(
        "F260",
        "docker",
        lambda trial: (trial.write("venv/a", ""), trial.write(".dockerignore", ".git\n.venv\n.env\n"))[1],
    ),
    Plant("F261", "fly", _file("fly.toml", "app = \n", 1), alone=True),
    Plant("F262", "fly", _changed("fly.toml", 'kill_signal = "SIGTERM"', 'kill_signal = "SIGINT"')),
    Plant("F263", "fly", lambda trial: trial.change("fly.toml", "internal_port = 8080", "internal_port = 9090")),
    Plant("F264", "render", _file("render.yaml", "services: []\n")),
    Plant("F265", "railway", _file("railway.json", '{"deploy": {}}\n', 1)),
    Plant("F266", "heroku", _file("app.json", '{"env":\n {"SECRET_KEY": {"value": "abc"}}}\n', 2)),
    Plant("F267", "piku", _file("ENV", "# ours\nPORT 8000\n", 2)),
    Plant("F268", "pythonanywhere", lambda trial: trial.write("pythonanywhere_wsgi.py", "import app\n")),
    Plant("I301", "heroku", _code("site.create_tables()")),
    Plant("I301", "heroku", _code("engine = sqlalchemy.create_engine('sqlite://')\nengine.connect()", "sqlalchemy")),
    Plant("I301", "heroku", _code("class Note(site.db.Model): __tablename__ = 'a'\nNote.create(text='a')")),
    Plant("I301", "heroku", _called_function),
    Plant("I301", "heroku", _factory),
    Plant("I301", "heroku", _given_back),
    Plant("I301", "heroku", _code("class Mine(Site): pass\nMine(__file__).create_tables()")),
    Plant("I302", "heroku", _code("SECRET = secrets.token_hex()")),
    Plant("I302", "heroku", _code("os.environ.setdefault('SECRET_KEY', os.urandom(9).hex())")),
    Plant("I302", "heroku", _code("Site(__file__, {'secret': secrets.token_urlsafe()})")),
    Plant("I303", "heroku", _code("site.run(port=80)")),
    Plant("I304", "sae", _code("threading.Thread(target=home).start()", "threading")),
    Plant("I304", "heroku", _code("worker = threading.Timer(5, home)\nworker.start()", "threading")),
    Plant("I304", "heroku", _code("class Job(threading.Thread): pass\nJob().start()", "threading")),
    Plant("I304", "heroku", _code("logging.handlers.QueueListener(KEYS).start()", "logging.handlers")),
    Plant("I305", "heroku", _code("subprocess.run(['make'])", "subprocess")),
    Plant("I306", "gae", _code("os.makedirs(os.path.join(site.settings.root, 'uploads'), exist_ok=True)")),
    Plant("I306", "heroku", _code("(pathlib.Path(__file__).parent / 'log').write_text('a')", "pathlib")),
    Plant("I306", "heroku", _code("logging.basicConfig(filename='/srv/site.log')", "logging")),
    Plant("I306", "heroku", _code("log = open(os.path.abspath(__file__) + '.log', mode='a')")),
    Plant("I306", "heroku", _at_its_making),
    Plant("I307", "heroku", _code("WORDS = open('app/notes.txt').read()")),
    Plant("I308", "heroku", _code("other = Site('.')")),
    Plant("I308", "heroku", _code("os.chdir('/')")),
    Plant("I309", "sae", _code("FOLDER = tempfile.gettempdir()", "tempfile")),
    Plant(
        "I310", "heroku", _code("urlopen('https://example.org')", "urllib.request\nfrom urllib.request import urlopen")
    ),
    Plant("I311", "heroku", _code("bottle.debug(True)", "bottle")),
)
