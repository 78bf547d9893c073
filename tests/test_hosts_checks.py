"""What one host alone minds in a site's files: each fault is found, with its line, and nothing where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from demijohn import hosts
from demijohn.findings import Finding
from demijohn.hosts import Plan
from tests.planned import deployed, file, planned

IMAGE = "FROM python:3.13-slim\nUSER site\n"
FLY = 'app = "shop"\nkill_signal = "SIGTERM"\n[http_service]\ninternal_port = 8080\n'
RENDER = "services:\n- type: web\n  name: a\n  runtime: python\n"

#: Host, file, text; code, line, level of the one finding, and words of its message.
FAULTS = [
    ("gae", "app.yaml", "runtime: python313\nhandler:\n- url: /.*\n", "F250", 2, "error", "'handler'"),
    ("gae", "app.yaml", "runtime: python313\nhandlers:\n- url: /a\n", "F250", 3, "error", "refuses app.yaml"),
    ("gae", "app.yaml", "runtime: [\n", "F250", 2, "error", "cannot be read"),
    ("gae", "app.yaml", "- runtime\n", "F250", 1, "error", "no names with values"),
    ("gae", "app.yaml", "entrypoint: x\nruntime: python39\n", "F251", 2, "error", "python39"),
    ("gae", ".gcloudignore", "/.git\n", "F252", 0, "warning", "tests would be uploaded"),
    ("cloudrun", ".gcloudignore", "/.git\n", "F252", 0, "warning", "tests would be uploaded"),
    ("gae", "cron.yaml", "cron:\n- url: /a\n  schedul: daily\n", "F253", 3, "error", "refuses cron.yaml"),
    ("sae", "config.yaml", "name: a\nversion: 1\nmysql: x\n", "F254", 3, "error", "takes mysql"),
    ("sae", "config.yaml", "name: a\nversion: 1\n'port': 80\n", "F254", 3, "error", "takes port"),
    ("sae", "config.yaml", "version: 1\n", "F255", 0, "error", "wants name"),
    ("sae", "config.yaml", "name: a\nversion: one\n", "F255", 2, "error", "whole number"),
    ("sae", "config.yaml", "name: a\nversion: true\n", "F255", 2, "error", "whole number"),
    ("sae", "config.yaml", "name: a\nversion: 1\n  b: 2\n", "F255", 3, "error", "cannot be read"),
    ("sae", "config.yaml", "name: a\nversion: 1\nlibraries:\n- name: x\n", "F256", 3, "error", "no version"),
    ("sae", "config.yaml", "name: a\nversion: 1\nhandlers:\n- url: /a\n", "F256", 3, "error", "static_path"),
    ("sae", "config.yaml", "name: a\nversion: 1\ncron: daily\n", "F256", 3, "error", "must be a list"),
    ("docker", "Dockerfile", IMAGE + "CMD gunicorn main:app\n", "F257", 3, "error", "keeps SIGTERM"),
    ("docker", "Dockerfile", IMAGE + "CMD [gunicorn]\n", "F257", 3, "error", "keeps SIGTERM"),
    ("fly", "Dockerfile", IMAGE + 'CMD ["sh", "-c", "gunicorn main:app"]\n', "F257", 3, "error", "keeps SIGTERM"),
    ("docker", "Dockerfile", IMAGE + "\n# b\nENTRYPOINT \\\n  gunicorn a:b\n", "F257", 5, "error", "ENTRYPOINT"),
    ("sae-container", "Dockerfile", 'FROM a\nCMD ["gunicorn"]\n', "F258", 0, "warning", "runs as root"),
    ("docker", "Dockerfile", 'FROM a\nUSER x\nFROM b\nCMD ["gunicorn"]\n', "F258", 0, "warning", "runs as root"),
    ("docker", "Dockerfile", 'FROM a\nUSER 0:0\nCMD ["gunicorn"]\n', "F258", 2, "warning", "runs as root"),
    ("docker", ".dockerignore", "tests\n", "F260", 0, "error", ".env would be copied"),
    ("fly", "fly.toml", "app = \n", "F261", 1, "error", "cannot be read"),
    ("fly", "fly.toml", FLY.replace("SIGTERM", "SIGINT"), "F262", 2, "error", "SIGINT"),
    ("fly", "fly.toml", FLY.replace('kill_signal = "SIGTERM"\n', ""), "F262", 0, "error", "SIGINT"),
    ("fly", "fly.toml", FLY.replace("8080", "80"), "F263", 4, "error", "listens on 8080"),
    ("fly", "fly.toml", FLY + '[env]\nPORT = "81"\n', "F263", 4, "error", "listens on 81"),
    ("render", "render.yaml", "services: []\n", "F264", 0, "error", "no service of the type web"),
    ("render", "render.yaml", "services:\n- a: [\n", "F264", 3, "error", "cannot be read"),
    ("render", "render.yaml", RENDER + "  buildCommand: x\n", "F264", 2, "error", "no startCommand"),
    ("railway", "railway.json", '{"deploy": {"drainingSeconds": 9}}', "F265", 1, "error", "would run main.py"),
    ("railway", "railway.json", '{\n"deploy": {"startCommand": "x"}}', "F265", 2, "warning", "kills the old"),
    ("railway", "railway.json", '{\n"a": 1\n"b"}', "F265", 3, "error", "cannot be read"),
    ("heroku", "app.json", "[]", "F266", 1, "error", "no names with values"),
    ("dokku", "app.json", '{\n"env": {\n"SECRET_KEY": "abc"}}', "F266", 3, "error", "SECRET_KEY"),
    ("heroku", "app.json", '{"env": {"DATABASE_URL": {"value": "x"}}}', "F266", 1, "error", "DATABASE_URL"),
    ("piku", "ENV", "# a\n\nA=1\nB\n", "F267", 4, "error", "ignores the whole file"),
    ("piku", "ENV", "A=x$y\n", "F267", 1, "warning", "of that name"),
    ("pythonanywhere", "pythonanywhere_wsgi.py", "import main\n", "F268", 0, "error", "`application`"),
]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A site with what should stay at home, written for nobody yet."""
    plan = planned(tmp_path)
    (plan.root / "tests").mkdir()
    (plan.root / ".env").write_text("SECRET_KEY=x\n")
    return plan


def findings(host: str, plan: Plan) -> list[Finding]:
    return list(hosts.find(host).checks(plan))


@pytest.mark.parametrize(
    ("host", "name", "text", "code", "line", "level", "words"), FAULTS, ids=[f"{row[3]}-{row[0]}" for row in FAULTS]
)
def test_fault_is_found(
    host: str, name: str, text: str, code: str, line: int, level: str, words: str, plan: Plan
) -> None:
    if name == "fly.toml" and sys.version_info < (3, 11):
        pytest.skip("tomllib came with Python 3.11")
    (plan.root / name).write_text(text)
    if name == "Dockerfile":
        (plan.root / ".dockerignore").write_text(file("docker", ".dockerignore", plan))
    if name == ".dockerignore":
        (plan.root / "Dockerfile").write_text(file("docker", "Dockerfile", plan))
    (found,) = findings(host, plan)
    assert (found.code, found.path, found.line, found.level) == (code, name, line, level)
    assert words in found.message
    assert found.fix.strip()


@pytest.mark.parametrize("host", hosts.MARKS)
def test_what_is_not_there_has_no_fault(host: str, plan: Plan) -> None:
    assert findings(host, plan) == []


@pytest.mark.parametrize("host", hosts.MARKS)
def test_what_we_write_has_no_fault(host: str, plan: Plan) -> None:
    plan = plan._replace(user="ann")
    deployed(host, plan)
    assert findings(host, plan) == []


@pytest.mark.parametrize(
    "command",
    [
        'CMD ["gunicorn", "main:app"]',
        "CMD exec gunicorn main:app",
        "CMD demijohn db upgrade && exec gunicorn main:app",
        'CMD ["sh", "-c", "demijohn db upgrade && exec gunicorn main:app"]',
        "CMD PYTHONPATH=src exec gunicorn main:app",
        'cmd ["python", "-m", "gunicorn", \\\n  "main:app"]',
        'CMD echo\nCMD ["gunicorn", "main:app"]',
    ],
)
def test_server_that_gets_sigterm_itself(command: str, plan: Plan) -> None:
    (plan.root / "Dockerfile").write_text(f"{IMAGE}{command}\n")
    (plan.root / ".dockerignore").write_text(".env\n")
    assert findings("docker", plan) == []


def test_unwritten_user_is_warned_of(plan: Plan) -> None:
    deployed("pythonanywhere", plan)
    (found,) = findings("pythonanywhere", plan)
    assert (found.code, found.level) == ("F268", "warning")
    assert "--user" in found.fix


def test_secrets_that_would_be_uploaded_are_an_error(plan: Plan) -> None:
    (plan.root / "app.secret.yaml").write_text("env_variables: {}\n")
    (plan.root / ".gcloudignore").write_text("tests/\n")
    (found,) = findings("gae", plan)
    assert (found.code, found.level) == ("F252", "error")


def test_gcloudignore_may_take_gits_word(plan: Plan) -> None:
    (plan.root / ".gcloudignore").write_text("#!include:.gitignore\n")
    (plan.root / ".gitignore").write_text("tests/\n")
    assert findings("gae", plan) == []


def test_app_yaml_is_read_without_googles_package(plan: Plan) -> None:
    """A site need not have it installed."""
    program = (
        "import sys; sys.modules['google.appengine.api'] = None\n"
        "from pathlib import Path; from demijohn import hosts\n"
        "plan = hosts.Plan(root=Path(sys.argv[1]))\n"
        "print(*[found.code for found in hosts.find('gae').checks(plan)])"
    )
    (plan.root / "app.yaml").write_text("runtime: python27\nhandler: x\n")
    done = subprocess.run([sys.executable, "-c", program, plan.root], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["F251"]


def test_procfile_tells_railway_how_to_start(plan: Plan) -> None:
    (plan.root / "railway.json").write_text('{"deploy": {"drainingSeconds": 9}}')
    (plan.root / "Procfile").write_text("web: gunicorn main:app\n")
    assert findings("railway", plan) == []


def test_generated_secret_is_none(plan: Plan) -> None:
    (plan.root / "app.json").write_text('{"env": {"SECRET_KEY": {"generator": "secret"}, "COLOUR": "red"}}')
    assert findings("heroku", plan) == []
