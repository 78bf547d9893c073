"""The settings: their layers, their sources, and how they are asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import demijohn
from demijohn import config
from demijohn.config.options import OPTIONS
from demijohn.config.settings import shown
from tests.settings import PHRASE, SAFE, load

SOURCE = Path(demijohn.__file__).parent
REFERENCE = Path(__file__).parent.parent / "docs" / "config.md"

#: As it stands in "Building a site on SAE with Bottle", but for the quotes.
BEAKER = {
    "session.type": "ext:memcached",
    "session.url": "127.0.0.1:11211",
    "session.cookie_expires": True,
    "session.timeout": 600,
    "session.auto": True,
}


@pytest.fixture(autouse=True)
def nothing_preferred() -> Iterator[None]:
    config.prefer({})
    yield
    config.prefer({})


# Layers


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    settings = config.load(tmp_path, None, SAFE)
    chosen = {"secret", "session.secret", "session.type", "database.url", "database.pool_size", "database.max_overflow"}
    chosen.update(("security.https", "files.store"))
    for name in OPTIONS.keys() - chosen:
        assert settings[name] == OPTIONS[name].default
        assert settings.source(name) == "default"
    assert settings["app"] == {}
    assert settings.host.name == "local"
    assert settings.root == tmp_path


def test_each_layer_covers_the_one_below(tmp_path: Path) -> None:
    def idle(text: str = "", arguments: Mapping[str, object] | None = None, **environ: str) -> tuple[Any, str]:
        (tmp_path / "config.yaml").write_text(text)
        settings = config.load(tmp_path, arguments, {**SAFE, **environ}, base={"database.idle": 1})
        return settings["database.idle"], settings.source("database.idle")

    text = "demijohn:\n  database:\n    idle: 3\n"
    assert config.load(tmp_path, None, SAFE)["database.idle"] == 25
    assert idle() == (1, "the command line's default")
    assert idle(PYTHONANYWHERE_SITE="x") == (280, "host pythonanywhere")
    assert idle(text, PYTHONANYWHERE_SITE="x") == (3, "config.yaml:3")
    assert idle(text, DEMIJOHN_DATABASE_IDLE="4") == (4, "DEMIJOHN_DATABASE_IDLE")
    assert idle(text, {"database.idle": 5}, DEMIJOHN_DATABASE_IDLE="4") == (5, "argument")


def test_what_is_preferred_is_weaker_than_a_host(tmp_path: Path) -> None:
    config.prefer({"environment": "development"})
    assert config.load(tmp_path, None, {})["environment"] == "development"
    assert config.load(tmp_path, None, SAFE, base={})["environment"] == "production"
    assert (
        config.load(tmp_path, None, {**SAFE, "K_SERVICE": "x", "DATABASE_URL": "mysql://h/d"})["environment"]
        == "production"
    )


@pytest.mark.parametrize(
    "text",
    [
        "demijohn: {session: {timeout: 600}}",
        "demijohn:\n  session.timeout: 600",
        "demijohn:\n  'session.timeout': '600'",
        'demijohn: {"session.timeout": 10m}',
        "\ufeffdemijohn:\n  session:\n    timeout: 600\n",
        "name: shop\nversion: 1\nhandlers:\n- {url: /static/, static_path: static}\ndemijohn: {session.timeout: 600}",
    ],
)
def test_nested_and_dotted_keys(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text)["session.timeout"] == 600


def test_beakers_options_load_as_they_stand(tmp_path: Path) -> None:
    for settings in (
        load(tmp_path, "", BEAKER),
        load(tmp_path, "demijohn:\n" + "".join(f"  {k!r}: {v}\n" for k, v in BEAKER.items())),
    ):
        session = settings.section("session")
        assert session["type"] == "memcached"
        assert session["url"] == ("127.0.0.1:11211",)
        assert session["cookie_expires"] is True
        assert session["timeout"] == 600
        assert session["auto"] is True


def test_what_is_left_empty_is_not_set(tmp_path: Path) -> None:
    text = "demijohn:\n  session:\n    timeout:\n  database: ~\n"
    settings = load(tmp_path, text, {"session.key": None}, DEMIJOHN_SESSION_KEY=" ", PORT="")
    assert (
        settings.source("session.timeout")
        == settings.source("session.key")
        == settings.source("server.port")
        == "default"
    )
    assert load(tmp_path, "demijohn:")["session.timeout"] == 1_209_600


@pytest.mark.parametrize("value", ["0123", "12:30", "0x1f", "1_000", "2020-01-02", "1e3"])
def test_text_stays_as_it_is_written(tmp_path: Path, value: str) -> None:
    assert load(tmp_path, f"demijohn: {{views: {{path: {value}}}}}")["views.path"] == value


# The environment


@pytest.mark.parametrize(
    ("variable", "written", "name", "value"),
    [
        ("DEMIJOHN_ENV", "development", "environment", "development"),
        ("DEMIJOHN_ENVIRONMENT", "development", "environment", "development"),
        ("SECRET_KEY", f"{PHRASE}-2, {PHRASE}", "secret", (PHRASE + "-2", PHRASE)),
        ("PORT", "5000", "server.port", 5000),
        ("WEB_CONCURRENCY", "4", "server.workers", 4),
        ("DATABASE_URL", "postgres://u:p@h/d", "database.url", "postgresql+psycopg://u:p@h/d"),
        ("MEMCACHED_URL", "memcached://a:1,b:2", "memcached.url", ("a:1", "b:2")),
        ("REDIS_URL", "redis://h", "redis.url", "redis://h"),
        ("DEMIJOHN_SESSION_COOKIE_DOMAIN", "example.org", "session.cookie_domain", "example.org"),
        ("DEMIJOHN_BODY_LIMIT", "1 MiB", "body.limit", 1024**2),
        ("DEMIJOHN_APP_MAIL_FROM", "ann@example.org", "app.mail_from", "ann@example.org"),
    ],
)
def test_variable_sets_a_setting(tmp_path: Path, variable: str, written: str, name: str, value: object) -> None:
    settings = load(tmp_path, "", None, **{variable: written})
    assert settings[name] == value
    assert settings.source(name) == variable


def test_own_variable_is_stronger_than_the_hosts(tmp_path: Path) -> None:
    settings = load(tmp_path, "", None, PORT="1", DEMIJOHN_SERVER_PORT="2")
    assert (settings["server.port"], settings.source("server.port")) == (2, "DEMIJOHN_SERVER_PORT")


def test_every_option_has_a_variable_of_its_own() -> None:
    variables = [variable for option in OPTIONS.values() for variable in option.variables]
    assert len(variables) == len(set(variables))


def test_process_environment_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", PHRASE)
    monkeypatch.setenv("DEMIJOHN_HOST", "local")
    monkeypatch.setenv("DEMIJOHN_SESSION_KEY", "visitor")
    assert config.load(tmp_path)["session.key"] == "visitor"


# The config


def test_config_is_a_mapping_in_the_order_of_declaration(tmp_path: Path) -> None:
    settings = load(tmp_path, "demijohn: {app: {title: Shop, mail: {host: h, ports: [1, 2]}}}")
    assert list(settings) == [*OPTIONS, "app"]
    assert len(settings) == len(list(settings))
    assert "session.timeout" in settings
    assert "session" not in settings
    assert settings["app"] == {"title": "Shop", "mail": {"host": "h", "ports": [1, 2]}} == settings.section("app")
    assert settings["app.title"] == "Shop"
    assert settings.source("app.title") == "config.yaml:1"
    assert settings.get("nothing") is None
    assert {*settings.section("static")} == {"path", "url", "hash", "keep"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("session.timout", "no setting called session.timout; did you mean session.timeout?"),
        ("Session.Timeout", "did you mean session.timeout?"),
        ("timeout", "did you mean memcached.timeout or redis.timeout or session.timeout or body.timeout?"),
        ("sesion.samesite", "did you mean session.samesite?"),
        ("cookies.samesite", "did you mean session.samesite?"),
        ("zzzzzz", "no setting called zzzzzz"),
    ],
)
def test_unknown_name_is_a_key_error(tmp_path: Path, name: str, message: str) -> None:
    settings = load(tmp_path)
    for ask in (settings.__getitem__, settings.source):
        with pytest.raises(KeyError) as caught:
            ask(name)
        assert message in str(caught.value)
    with pytest.raises(KeyError, match="no section called sesion; did you mean session"):
        settings.section("sesion")


def test_sqlite_file_lies_beside_config_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert load(tmp_path)["database.url"] == f"sqlite:///{tmp_path}/data.sqlite"


def test_prefix_is_the_sites_name(tmp_path: Path) -> None:
    settings = load(tmp_path, "version: 1\nname: My Shop!\n")
    assert settings["memcached.prefix"] == "My-Shop"
    assert settings.source("memcached.prefix") == "config.yaml:2 (name)"
    assert load(tmp_path, "name: 上海")["memcached.prefix"] == "demijohn"
    assert load(tmp_path, "name: shop\ndemijohn: {memcached: {prefix: x}}")["memcached.prefix"] == "x"


# The package


def test_reference_explains_every_option() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    rows = {cells[1].strip(): cells for line in text.splitlines() if len(cells := line.split("|")) == 5}
    for option in OPTIONS.values():
        _, _, default, meaning, _ = rows.pop(f"`{option.name}`")
        assert default.replace("`", "").split() == [
            *shown(option, option.default).strip("-").split(),
            *option.unit.split(),
        ]
        assert len(meaning) > 10
        assert all(f"`{variable}`" in meaning for variable in option.env)
    assert not [name for name in rows if "." in name]


def test_what_is_not_needed_is_not_imported(tmp_path: Path) -> None:
    program = (
        "import sys; from demijohn import config; config.load(sys.argv[1], None, {'SECRET_KEY': 'x' * 20});"
        "print({'yaml', 'difflib', 'dataclasses', 'sqlalchemy', 'redis', 'cryptography'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "path", sorted([*SOURCE.glob("config/*.py"), *SOURCE.glob("hosts/*.py")]), ids=lambda path: path.stem
)
def test_syntax_is_python_3_10(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))
