"""`demijohn deploy`: what it writes, what it leaves, and what it says of it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from demijohn import hosts
from demijohn.cli import main
from demijohn.deploy import carry, write
from demijohn.deploy.errors import CannotWriteError, InTheWayError, PythonVersionError
from demijohn.deploy.plan import make_plan
from demijohn.errors import ConfigError
from demijohn.hosts import Host, Plan
from tests.hosts import copied
from tests.shelf import Shelf
from tests.sites import clean_environment

RUNNING = f"{sys.version_info[0]}.{sys.version_info[1]}"
HEROKU = ("Procfile", ".python-version", "app.json")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "config.yaml").write_text("name: My Shop\nversion: 1\n")
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository's site, as git has it, without what no host's file is made from."""
    folder = copied(tmp_path_factory.mktemp("whole") / "site")
    for name in ("docs", "src/demijohn"):
        shutil.rmtree(folder / name)
    (folder / "src" / "demijohn").mkdir()
    return folder


class Deploy:
    """Runs the command without a network, unless told otherwise. What it has printed is kept."""

    def __init__(self, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.site = site
        self._capsys = capsys
        self.said = self.told = ""

    def __call__(self, *words: str, pin: bool = False) -> int:
        options = [] if pin else ["--no-requirements"]
        status = main(["deploy", "--root", str(self.site), *words, *options])
        self.said, self.told = self._capsys.readouterr()
        return status


@pytest.fixture
def deploy(site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Deploy:
    monkeypatch.setattr("sys.stdin", io.StringIO())  # nobody to ask
    return Deploy(site, capsys)


def test_it_writes_what_the_host_wants_and_says_what_is_left_to_type(deploy: Deploy, site: Path) -> None:
    assert deploy("heroku", "--python", "3.12") == 0
    assert (site / ".python-version").read_text() == "3.12\n"
    assert json.loads((site / "app.json").read_text())["name"] == "my-shop"
    assert "web: gunicorn main:app" in (site / "Procfile").read_text().splitlines()
    for name in HEROKU:
        assert f"  written  {name}\n" in deploy.said
    assert "git push heroku" in deploy.said
    assert f"The logs: {hosts.find('heroku').logs}" in deploy.said
    assert hosts.find("heroku").caution in deploy.said


def test_it_says_where_the_logs_of_this_site_are(deploy: Deploy) -> None:
    deploy("vm")
    assert "The logs: journalctl --follow --unit my-shop\n" in deploy.said


def test_the_second_time_there_is_nothing_to_do(deploy: Deploy, site: Path) -> None:
    assert deploy("heroku") == 0
    before = {path: path.stat().st_mtime_ns for path in site.iterdir()}
    assert deploy("heroku") == 0
    assert {path: path.stat().st_mtime_ns for path in site.iterdir()} == before
    assert "Nothing to do: every file is as the host wants it." in deploy.said
    assert deploy("heroku", "--check") == 0
    (site / "Procfile").write_bytes((site / "Procfile").read_bytes().replace(b"\n", b"\r\n"))
    assert deploy("heroku", "--check") == 0, "git may have given the lines other ends"


def test_an_edit_is_shown_and_kept_until_it_is_to_be_overwritten(deploy: Deploy, site: Path) -> None:
    deploy("heroku")
    wanted, mine = (site / "Procfile").read_text(), "web: gunicorn --threads 40 main:app\n"
    (site / "Procfile").write_text(mine)
    (site / "Procfile").chmod(0o640)
    assert deploy("heroku") == 1
    assert (site / "Procfile").read_text() == mine
    assert "-web: gunicorn --threads 40 main:app\n+web: gunicorn main:app\n" in deploy.said
    assert "Procfile was left as it is. To take what is shown above: demijohn deploy heroku --overwrite" in deploy.told
    assert deploy("heroku", "--check") == 1
    assert deploy("heroku", "--overwrite") == 0
    assert "-web: gunicorn --threads 40 main:app\n" in deploy.said, "shown all the same"
    assert "  changed  Procfile\n" in deploy.said
    assert (site / "Procfile").read_text() == wanted
    assert stat.S_IMODE((site / "Procfile").stat().st_mode) == 0o640


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 1), ("", 1)])
def test_at_a_terminal_it_asks(answer: str, status: int, deploy: Deploy, site: Path) -> None:
    deploy("heroku")
    wanted = (site / ".python-version").read_text()
    (site / ".python-version").write_text("3.99rc1\n")
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "demijohn", "deploy", "heroku", "--root", str(site), "--no-requirements"]
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=clean_environment()) as process:
        os.close(its)
        said = _until(ours, "Write over .python-version? [y/N] ")
        os.write(ours, f"{answer}\n".encode())
        said += _until(ours, "")
        os.close(ours)
    assert process.returncode == status, said
    assert "-3.99rc1\r\n" in said
    assert (site / ".python-version").read_text() == (wanted if answer == "y" else "3.99rc1\n")


def _until(terminal: int, words: str) -> str:
    """What is said on a terminal up to these words, or its end."""
    said = ""
    with contextlib.suppress(OSError):  # how a terminal says that nobody is there
        while not words or words not in said:
            piece = os.read(terminal, 1000)
            if not piece:
                break
            said += piece.decode()
    return said


def test_a_dry_run_writes_nothing(deploy: Deploy, site: Path) -> None:
    (site / "Procfile").write_text("web: mine\n")
    before = sorted(site.iterdir())
    assert deploy("heroku", "--dry-run") == 0
    assert sorted(site.iterdir()) == before
    assert "  new      app.json\n" in deploy.said
    assert "  differs  Procfile\n" in deploy.said
    assert "-web: mine" in deploy.said
    assert deploy("heroku", "--check") == 1
    assert sorted(site.iterdir()) == before


def test_without_a_host_it_lists_them(deploy: Deploy) -> None:
    assert main(["deploy"]) == 0
    assert deploy() == 0
    for name in hosts.names():
        assert f"  {name} " in deploy.said
        assert hosts.find(name).title in deploy.said


def test_an_unknown_host_is_told_with_the_nearest(deploy: Deploy) -> None:
    assert deploy("herku") == 1
    assert "There is no profile of a host called 'herku'. Is it heroku?" in deploy.told


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(site: Path) -> None:
    site.chmod(0o555)
    command = [sys.executable, "-m", "demijohn", "deploy", "heroku", "--root", str(site), "--no-requirements"]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", *command]
    try:
        done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False)
    finally:
        site.chmod(0o755)
    assert done.returncode == 1
    assert done.stderr == (
        "Procfile cannot be written: Permission denied. Make the site's folder writable and run this again.\n"
    )
    assert sorted(path.name for path in site.iterdir()) == ["config.yaml"]


def test_what_is_in_the_way_is_told_before_anything_is_written(deploy: Deploy, site: Path) -> None:
    (site / "app.json").mkdir()
    assert deploy("heroku") == 1
    assert deploy.told == "app.json is a folder, and the host wants a file of that name. Move it away.\n"
    (site / "app.json").rmdir()
    (site / "elsewhere").write_text("{}")
    (site / "app.json").symlink_to("elsewhere")
    assert deploy("heroku", "--overwrite") == 1
    assert deploy.told.startswith("app.json is a link, to elsewhere. What it leads to is not changed from here")
    assert not (site / "Procfile").exists()
    assert (site / "elsewhere").read_text() == "{}"
    (site / "server").touch()
    assert deploy("vm") == 1
    assert deploy.told == "server is a file, and the host wants a folder of that name. Move it away.\n"


@pytest.mark.parametrize("path", ["/etc/motd", "../outside", "a/../../b", ""])
def test_a_profile_writes_into_the_site_only(path: str, tmp_path: Path) -> None:
    with pytest.raises(InTheWayError, match="not within the site's folder"):
        write.compare(tmp_path, {path: ""})


def test_a_file_is_written_whole_or_not_at_all(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (site / "Procfile").write_text("mine\n")
    (file,) = write.compare(site, {"Procfile": "theirs\n"})
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(CannotWriteError, match="Procfile cannot be written: No space left on device"):
        write.write(site, file)
    assert (site / "Procfile").read_text() == "mine\n"
    assert sorted(path.name for path in site.iterdir()) == ["Procfile", "config.yaml"]


@pytest.mark.parametrize("name", list(hosts.MARKS))
def test_each_host_gets_its_files_and_twice_the_same(
    name: str, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site"
    shutil.copytree(whole, site)
    deploy = Deploy(site, capsys)
    assert deploy(name, "--overwrite", "--user", "ann", pin=True) == 0, deploy.told
    first = deploy.said
    files = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    assert set(hosts.find(name).files(make_plan(site, hosts.find(name)))) <= {
        path.relative_to(site).as_posix() for path in files
    }
    assert deploy(name, "--user", "ann", pin=True) == 0, deploy.said
    assert {path: path.read_bytes() for path in site.rglob("*") if path.is_file()} == files
    assert first.partition("to type:")[2] == deploy.said.partition("to type:")[2], "what is left does not change"
    assert str(tmp_path) not in "".join(deploy.said.splitlines()[1:])
    for path, data in files.items():
        assert os.fsencode(tmp_path) not in data, path


def test_sae_s_keys_come_into_config_yaml_beside_ours(deploy: Deploy, site: Path) -> None:
    (site / "config.yaml").write_text("# mine\nname: shop\n\ndemijohn:\n  body:\n    limit: 1 MB  # enough\n")
    (site / "static").mkdir()
    assert deploy("sae") == 1, "a file of the user's is not changed unasked"
    assert deploy("sae", "--overwrite") == 0
    text = (site / "config.yaml").read_text()
    assert "# mine\n" in text
    assert "    limit: 1 MB  # enough\n" in text
    assert yaml.safe_load(text)["handlers"][0] == {"url": "/static/", "static_path": "static"}


# Demijohn itself


def test_a_demijohn_from_a_folder_is_carried_along(
    deploy: Deploy, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf(tmp_path)
    for name, value in shelf.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("demijohn.deploy.needs._requires", lambda _extras: iter(()))
    (site / "requirements.in").write_text("trial\n")
    (site / ".gitignore").write_text("*.pyc\n/site-packages/*\n!/site-packages/README.md")
    shelf.add("trial", "1.0")
    assert deploy("heroku", "--dry-run", pin=True) == 0
    assert "  new      site-packages/demijohn\n" in deploy.said
    assert not (site / "site-packages").exists()
    assert deploy("heroku", pin=True) == 1, ".gitignore is the user's, and differs"
    assert "  git init\n  git add .\n  git add --force 'site-packages/demijohn*'\n  git commit" in deploy.said
    assert deploy("heroku", "--overwrite", pin=True) == 0, deploy.told
    assert (site / ".gitignore").read_text().endswith("!/site-packages/README.md\n!/site-packages/demijohn*\n")
    assert "  git init\n  git add .\n  git commit" in deploy.said
    assert "release: PYTHONPATH=site-packages python -m demijohn db create" in (site / "Procfile").read_text()
    assert "trial==1.0" in (site / "requirements.txt").read_text()
    # -S: nothing of what is installed here is found, but what demijohn itself needs, by its path.
    packages = os.pathsep.join([str(site / "site-packages"), *(path for path in sys.path if "packages" in path)])
    ask = "import demijohn, importlib.metadata as m; print(demijohn.__file__, m.version('demijohn'))"
    environ = clean_environment(PYTHONPATH=packages)
    said = subprocess.check_output([sys.executable, "-S", "-c", ask], cwd=tmp_path, env=environ, text=True)
    assert said.startswith(str(site / "site-packages" / "demijohn" / "__init__.py"))
    assert carry.state(site) == "same"
    (site / "site-packages" / "demijohn" / "old.py").touch()
    assert carry.state(site) == "differs"
    assert deploy("heroku", "--check", pin=True) == 1
    assert deploy("heroku", pin=True) == 0
    assert carry.state(site) == "same"
    assert not [path for path in (site / "site-packages").iterdir() if path.name.startswith(".")]


# The plan


def test_the_plan_is_what_the_settings_and_the_folder_say(site: Path) -> None:
    (site / "config.yaml").write_text(
        "name: 24 Hour_Shop of a very, very long name\n"
        "demijohn: {static: {url: /files/, path: public}, server: {threads: 3}, body: {limit: 9 MB},"
        " database: {url: ''}, session: {type: memory}}\n"
    )
    (site / "public").mkdir()
    for name in ("robots.txt", "favicon.ico", "style.css"):
        (site / "public" / name).touch()
    host = hosts.find("heroku")  # whose database says nothing of whether the site has one
    host = host._replace(environ={**host.environ, "DATABASE_URL": "postgres://a:b@c/d"})
    plan = make_plan(site, host, "3.12", "ann")
    assert plan == Plan(
        root=site,
        name="site-24-hour-shop-of-a-very-ve",
        python="3.12",
        static_url="/files",
        static_path="public",
        at_root=("favicon.ico", "robots.txt"),
        database=False,
        workers=2,
        threads=3,
        body_limit=9_000_000,
        user="ann",
    )
    assert plan.release == ""


def test_the_release_command_upgrades_where_there_are_migrations(site: Path) -> None:
    assert make_plan(site, hosts.find("heroku")).release == "demijohn db create"
    (site / "migrations" / "versions").mkdir(parents=True)
    assert make_plan(site, hosts.find("heroku")).release == "demijohn db create"
    (site / "migrations" / "versions" / "0001.py").touch()
    assert make_plan(site, hosts.find("heroku")).release == "demijohn db upgrade"
    (site / "src" / "demijohn").mkdir(parents=True)
    assert make_plan(site, hosts.find("heroku")).release == "PYTHONPATH=src python -m demijohn db upgrade"


def test_the_variables_of_whoever_deploys_change_nothing(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = make_plan(site, hosts.find("gae"))
    for name, value in {"DATABASE_URL": "", "WEB_CONCURRENCY": "9", "DEMIJOHN_STATIC_URL": "/x"}.items():
        monkeypatch.setenv(name, value)
    assert make_plan(site, hosts.find("gae")) == before


@pytest.mark.parametrize(
    ("given", "written", "pythons", "python"),
    [
        ("3.12", "3.11", ("3.11", "3.12"), "3.12"),
        (None, "3.11.7\n", ("3.11", "3.12"), "3.11"),
        (None, "a-name-of-pyenv's\n", ("3.1", "3.2"), "3.2"),
        (None, None, ("3.1", "3.2"), "3.2"),
        (None, None, (), RUNNING),
        (None, None, (RUNNING, "3.99"), RUNNING),
    ],
)
def test_which_python(
    given: str | None, written: str | None, pythons: tuple[str, ...], python: str, site: Path
) -> None:
    if written is not None:
        (site / ".python-version").write_text(written)
    assert make_plan(site, Host("acme", "Acme", "kept", pythons=pythons), given).python == python


def test_a_python_that_the_host_does_not_have_is_told(site: Path) -> None:
    acme = Host("acme", "Acme", "kept", pythons=("3.11", "3.12"))
    with pytest.raises(
        PythonVersionError, match=r"--python says Python 3\.9\. Acme runs 3\.11, 3\.12\. Choose one: --p"
    ):
        make_plan(site, acme, "3.9")
    with pytest.raises(PythonVersionError, match=r"It is written like 3\.13"):
        make_plan(site, acme._replace(pythons=()), "python-3.12")
    (site / ".python-version").write_text("3.9.1\n")
    with pytest.raises(PythonVersionError, match=r"^\.python-version says Python 3\.9\."):
        make_plan(site, acme)


def test_mistakes_in_config_yaml_are_told_and_nothing_is_written(deploy: Deploy, site: Path) -> None:
    (site / "config.yaml").write_text("demijohn:\n  sesion: {}\n")
    assert deploy("heroku") == 1
    assert "config.yaml:2: sesion is not a setting" in deploy.told
    assert sorted(path.name for path in site.iterdir()) == ["config.yaml"]
    with pytest.raises(ConfigError):
        make_plan(site, hosts.find("heroku"))


def test_a_host_of_another_package_is_deployed_to(deploy: Deploy, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    acme = Host(
        "acme",
        "Acme",
        "kept",
        files=lambda plan: {"acme/start.sh": f"exec gunicorn --threads {plan.threads}"},
        commands=lambda plan: [f"acme push {plan.name}"],
    )
    monkeypatch.setattr(hosts, "find", lambda _name: acme)
    assert deploy("acme") == 0
    assert (site / "acme" / "start.sh").read_text() == "exec gunicorn --threads 8"
    assert "  acme push my-shop\n" in deploy.said
    (site / "acme" / "start.sh").write_text("exec gunicorn")
    assert deploy("acme") == 1
    assert "\\ No newline at end of file" in deploy.said
