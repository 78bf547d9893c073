"""`demijohn bundle`: the guestbook with all it needs, made, uploaded and started where nothing else is."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demijohn.deploy.bundle import archive
from tests.bundles import RUNNING, WATCH, files_in, made, whole_site
from tests.services import MariaDB
from tests.site.visitor import Visitor, unique
from tests.sites import ROOT, clean_environment, running

#: A host's server in little, in a Python that has no packages. What it has seen is at an address of its own.
SERVER = (
    WATCH
    + """
import json, os
from wsgiref.simple_server import WSGIRequestHandler, make_server
door = sys.argv[1]
namespace = {"__file__": door, "__name__": "wsgi"}
exec(compile(open(door).read(), door, "exec"), namespace)
site = namespace["application"]
site.create_tables()

def application(environ, start_response):
    if environ["PATH_INFO"] != "/seen":
        return site(environ, start_response)
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    said = {"compiled": compiled, "modules": sorted(sys.modules), "files": [file for file in files if file]}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(said).encode()]

class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass

make_server("127.0.0.1", int(os.environ["PORT"]), application, handler_class=Quiet).serve_forever()
"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = whole_site(tmp_path_factory.mktemp("bundle") / "guestbook")
    (site / "site-packages" / "bottle.py").chmod(0o755)  # as pip unpacks it
    return site


@pytest.fixture(scope="module")
def bundle(site: Path) -> Path:
    """For SAE: the host that has nothing and lets nothing be written."""
    said = made("sae", "--root", str(site), "--no-vendor", "--python", RUNNING)
    assert said["compiled"]
    return Path(said["path"])


@pytest.fixture
def uploaded(bundle: Path, tmp_path: Path) -> Path:
    """The bundle as an upload leaves it: in another place, its times lost."""
    return shutil.copytree(bundle, tmp_path / "uploaded", copy_function=shutil.copyfile)


# What is made


def test_the_same_bytes_from_another_folder_at_another_time(tmp_path: Path) -> None:
    site = whole_site(tmp_path / "here" / "site", ("bottle", "jinja2"))  # enough of each kind of file
    other = shutil.copytree(site, tmp_path / "elsewhere" / "the site", copy_function=shutil.copyfile)
    words = ("--no-vendor", "--python", RUNNING)
    bundle = Path(made("sae", *words, "--root", str(site))["path"])
    # What could find its way into byte code.
    strange = {"SOURCE_DATE_EPOCH": "1", "PYTHONOPTIMIZE": "2", "PYTHONHASHSEED": "7"}
    target = tmp_path / "site.zip"
    said = made("sae", *words, "--root", str(other), "--output", str(target), environ=strange)
    assert said["path"] == str(target)
    assert said["notes"] == []  # the templates are compiled
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(target) as file:
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {(entry.create_system, entry.external_attr >> 16) for entry in file.infolist()} == {(3, 0o100644)}
        file.extractall(unpacked)
    assert {name: content for name, (content, _) in files_in(unpacked).items()} == {
        name: content for name, (content, _) in files_in(bundle).items()
    }
    archive.pack(bundle, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == target.read_bytes()


def test_the_folder_says_nothing_of_who_made_it_and_when(bundle: Path) -> None:
    everything = [bundle, *bundle.rglob("*")]
    assert {path.stat().st_mtime for path in everything} == {archive.EPOCH}
    assert {mode for _, mode in files_in(bundle).values()} == {0o100644}


def test_the_manifest_lists_every_file(bundle: Path) -> None:
    manifest = json.loads((bundle / "bundle.json").read_text())
    assert {name: size for name, (size, _) in manifest["files"].items()} == {
        name: len(content) for name, (content, _) in files_in(bundle).items() if name != "bundle.json"
    }
    known = {"site": "guestbook", "host": "sae", "python": RUNNING, "compiled": True}
    assert {name: manifest[name] for name in known} == known


def test_byte_code_is_there_for_everything_and_is_never_compared(bundle: Path) -> None:
    tag = sys.implementation.cache_tag
    for path in bundle.rglob("*.py"):
        if "static" not in path.parts:
            code = path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc"
            assert code.read_bytes()[4:8] == b"\1\0\0\0", code  # PEP 552: hash-based, not checked


# What the host starts


@pytest.fixture(scope="module")
def address(bundle: Path, the_mariadb: MariaDB, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where it is served: from a copy that has lost its times, by a Python with no packages, with nothing writable."""
    copy = shutil.copytree(bundle, tmp_path_factory.mktemp("host") / "site", copy_function=shutil.copyfile)
    the_mariadb.start()
    settings = {
        "DATABASE_URL": the_mariadb.create("bundled"),
        "SECRET_KEY": "a-secret-of-the-tests-and-of-nobody-else",
        "DEMIJOHN_ENV": "production",
        "DEMIJOHN_SESSION_SECURE": "false",
    }
    python = [sys.executable, "-S", "-E", "-I", "-W", "error", "-c", SERVER, str(copy / "index.wsgi")]
    with running(python, settings, copy) as address:
        yield address


def seen(address: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{address}/seen") as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
    return found


def test_a_visitor_signs_up_writes_and_reads(address: str) -> None:
    name = unique("Ada")
    visitor = Visitor(address).sign_up(name)
    assert visitor.post("/", text=f"Written by {name}").status in (302, 303)
    assert f"Written by {name}" in Visitor(address).get("/").page


def test_nothing_but_the_door_is_compiled_at_boot_or_at_the_first_request(address: str) -> None:
    assert Visitor(address).get("/").status == 200
    compiled = [name for name in seen(address)["compiled"] if not name.startswith("<")]
    assert [Path(name).name for name in compiled] == ["index.wsgi"]


def test_what_compiles_and_what_reads_yaml_is_not_even_imported(address: str) -> None:
    assert Visitor(address).get("/sign-in").status == 200
    spared = {"yaml", "jinja2.compiler", "jinja2.lexer", "jinja2.parser"}
    assert spared.isdisjoint(seen(address)["modules"])


def test_all_that_is_imported_is_python_s_or_the_bundle_s(address: str) -> None:
    installed = [file for file in seen(address)["files"] if "site-packages" in file]
    assert installed
    assert {file.partition("/site-packages/")[0].rpartition("/")[2] for file in installed} == {"site"}


@pytest.mark.parametrize("accepted", ["gzip", "br;q=1.0, gzip;q=0.8", "*"])
def test_a_static_file_is_served_as_it_was_compressed(address: str, accepted: str) -> None:
    request = urllib.request.Request(f"{address}/static/style.css", headers={"Accept-Encoding": accepted})  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        body = answer.read()
        assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(body) == (ROOT / "static" / "style.css").read_bytes()


def test_by_the_door_for_modules_nothing_at_all_is_compiled(uploaded: Path) -> None:
    program = f"{WATCH}sys.path.insert(0, sys.argv[1])\nimport main\n"
    program += "print([name for name in compiled if name[0] != '<'], type(main.app).__name__)"
    environ = clean_environment(DEMIJOHN_ENV="development")
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-I", "-c", program, str(uploaded)],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "[] Site\n", done.stderr


# What is edited where it lies


def shown(root: Path, program: str, **settings: str) -> str:
    """What `program` prints in a Python that has loaded the site at `root` by its door."""
    start = f"import sys; door = {str(root / 'index.wsgi')!r}; space = {{'__file__': door, '__name__': 'wsgi'}}\n"
    start += "exec(compile(open(door).read(), door, 'exec'), space); site = space['application']\n"
    settings = {"DEMIJOHN_ENV": "production", "SECRET_KEY": "a-secret-of-the-tests-and-of-nobody-else", **settings}
    settings.setdefault("DATABASE_URL", "sqlite://")
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-I", "-B", "-c", start + program],
        env=clean_environment(**settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_changed_templates_and_settings_count(uploaded: Path) -> None:
    (uploaded / "views" / "error.html").write_text("changed {{ 6 * 7 }}")
    with (uploaded / "config.yaml").open("a") as file:
        file.write("  session:\n    timeout: 4242\n")
    program = "print(site.render('error'), site.settings['session.timeout'], site.settings.source('session.timeout'))"
    line = len((uploaded / "config.yaml").read_text().splitlines())
    assert shown(uploaded, program) == f"changed 42 4242 config.yaml:{line}\n"


def test_in_development_sources_win(uploaded: Path) -> None:
    path = uploaded / "app" / "__init__.py"
    before = path.stat()
    path.write_text(path.read_text().replace("PER_PAGE, NAME, TEXT", "PER_PAGF, NAME, TEXT") + "\nPER_PAGE = 4242\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    program = "from pathlib import Path; from demijohn.doors import load_application; import sys\n"
    program += "load_application(Path(sys.argv[1])); import app; print(app.PER_PAGE)"
    done = subprocess.run(
        [sys.executable, "-c", program, str(uploaded)],
        env=clean_environment(DEMIJOHN_ENV="development"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "4242\n", done.stderr
