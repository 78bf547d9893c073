"""Everything that is wrong with the settings is told at once, each with its place, and never with a secret."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from demijohn import config
from demijohn.config.options import OPTIONS, SECTIONS
from demijohn.errors import ConfigError
from tests.settings import PHRASE, SAFE, load, problems


def test_three_mistakes_are_three_lines(tmp_path: Path) -> None:
    text = (
        "name: shop\ndemijohn:\n  session:\n    timout: 600\n  server:\n    port: http\n  database: {echo: perhaps}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert str(caught.value).splitlines() == [
        "The settings hold 3 mistakes:",
        "  config.yaml:4: session.timout is not a setting; did you mean session.timeout?",
        "  config.yaml:6: server.port must be a whole number from 1 to 65535, not 'http'",
        "  config.yaml:7: database.echo must be true or false, not 'perhaps'",
    ]
    assert [problem.name for problem in caught.value.problems] == ["session.timout", "server.port", "database.echo"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "session: {timeout: 5}",
            "config.yaml:1: session must be under the key demijohn; at the top it belongs to the host",
        ),
        ("session.timeout: 5", "config.yaml:1: session.timeout must be under the key demijohn; at the top"),
        ("Demijohn: {}", "config.yaml:1: Demijohn must be spelt demijohn"),
        ("demijohn: 5", "config.yaml:1: demijohn is a section; it must hold keys with values"),
        ("demijohn:\n  session: 5", "config.yaml:2: session is a section; it must hold keys with values"),
        ("demijohn:\n  sesion: {timeout: 5}", "config.yaml:2: sesion is not a setting; did you mean session?"),
        ("demijohn:\n  a: 1", "config.yaml:2: a is not a setting"),
        (
            "demijohn: {server: {port: {}}}",
            "config.yaml:1: server.port must be a whole number from 1 to 65535, not a mapping",
        ),
        (
            "demijohn: {server: {port: [1]}}",
            "config.yaml:1: server.port must be a whole number from 1 to 65535, not a list",
        ),
        (
            "demijohn: {security: {csp: {scrpt-src: x}}}",
            "config.yaml:1: security.csp must be directives with their sources, such as img-src: "
            "https://images.example.org, or off: there is no directive scrpt-src; did you mean script-src?",
        ),
        (
            "demijohn: {security: {hosts: [example.org, 'https://example.net/']}}",
            "config.yaml:1: security.hosts must be a list of names such as example.org, .example.org or "
            "example.org:8080: 'https://example.net/' is none",
        ),
        (
            "demijohn: {security: {origins: [example.org]}}",
            "config.yaml:1: security.origins must be a list of origins, each scheme://host or scheme://host:port, "
            "such as https://www.example.org: 'example.org' is none",
        ),
        ("demijohn: {views: {path: yes}}", "config.yaml:1: views.path must be a text, not True"),
        (
            "demijohn: {views: {path: !!binary eA==}}",
            "config.yaml:1: views.path holds a value that plain YAML does not",
        ),
        ("demijohn: {views: {path: !x y}}", "config.yaml:1: views.path holds a value that plain YAML does not have"),
        (
            "demijohn: {app: {a: !!python/name:os.system }}",
            "config.yaml:1: app.a holds a value that plain YAML does not",
        ),
        ("demijohn: {app: {a: 2020-99-99}}", "config.yaml:1: app.a holds a value that plain YAML does not have"),
        ("demijohn:\n  server: {port: 1,\n    port: 2}", "config.yaml:3: port is written twice, first in line 2"),
        (
            "demijohn:\n  server.port: 1\n  server: {port: 2}",
            "config.yaml:3: server.port is written twice, first in line 2",
        ),
        ("demijohn: {}\ndemijohn: {}", "config.yaml:2: demijohn is written twice, first in line 1"),
        ("demijohn: {? [a] : b}", "config.yaml:1: a key must be a plain word"),
        ("demijohn: {<<: {server.port: 1}}", "config.yaml:1: a key must be a plain word, and << is not read here"),
        ('demijohn: {"a\\nb": 1}', "config.yaml:1: a\\nb is not a setting"),
        ("[1, 2]", "config.yaml:1: must be keys with values, with all of ours under the key demijohn"),
        ("words", "config.yaml:1: must be keys with values"),
        (
            "demijohn:\n\tserver: {}",
            "config.yaml:2: is not YAML: found character that cannot start any token; indent with spaces",
        ),
        ("a: [1\nb: 2", "config.yaml:2: is not YAML: expected , or ] here, as line 1 opens a bracket"),
        ("a:\n  b: {c: 1\n", "config.yaml:3: is not YAML: expected , or } here, as line 2 opens a bracket"),
        ("- a\nb: c", "config.yaml:2: is not YAML: expected a - here, for the next item of the list, or fewer spaces"),
        ("a: 1\n---\nb: 2", "config.yaml:2: is not YAML: but found another document"),
        ("a: 1\nb: \x01", "config.yaml:2: holds a control character"),
        (b"a: 1\nb: \xe9", "config.yaml:2: is not UTF-8; save it as UTF-8"),
        ("demijohn: {}".encode("utf-16"), "config.yaml:1: is UTF-16; save it as UTF-8"),
        ("demijohn: " + "[" * 100_000, "config.yaml:1: is nested more than 50 deep"),
        ("- " * 1000, "config.yaml:1: is nested more than 50 deep"),
        ("demijohn: &a {session: *a}", "config.yaml:1: session.session is not a setting"),
    ],
)
def test_mistake_in_the_file_is_told_with_its_line(tmp_path: Path, text: str | bytes, line: str) -> None:
    found = problems(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(line)


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "---\n", "name: shop\nversion: 1\ncron: [{url: /x}]\nmy: {session: 1}\n"]
)
def test_what_is_not_ours_is_not_judged(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text)["server.port"] == 8080


def test_value_that_refers_to_itself_is_the_sites_own_matter(tmp_path: Path) -> None:
    settings = load(tmp_path, "demijohn: {app: {loop: &a [*a]}}")
    assert settings["app"]["loop"][0] is settings["app"]["loop"]
    assert settings.rows()[-1].name == "app.loop"


@pytest.mark.parametrize(
    ("arguments", "environ", "line"),
    [
        (
            {},
            {"DEMIJOHN_SESION_KEY": "x"},
            "DEMIJOHN_SESION_KEY: there is no setting of this name; did you mean DEMIJOHN_SESSION_KEY?",
        ),
        ({}, {"DEMIJOHN_QQQQQQQQQQQQ": "x"}, "DEMIJOHN_QQQQQQQQQQQQ: there is no setting of this name"),
        ({}, {"DEMIJOHN_HOST": "herko"}, "DEMIJOHN_HOST: herko is not a host that is known; did you mean heroku?"),
        ({}, {"PORT": "http"}, "PORT: server.port must be a whole number from 1 to 65535, not 'http'"),
        ({}, {"DEMIJOHN_ENV": "test"}, "DEMIJOHN_ENV: environment must be development or production, not 'test'"),
        ({"session.timout": 1}, {}, "argument: session.timout is not a setting; did you mean session.timeout?"),
        ({"session": {"timeout": 1}}, {}, "argument: session is a section; its settings are written session.KEY"),
        ({"app": 5}, {}, "argument: app is a section; its settings are written app.KEY"),
        ({"server.port": 1.5}, {}, "argument: server.port must be a whole number from 1 to 65535, not 1.5"),
        (
            {"session.data_serializer": "pickle"},
            {},
            "argument: session.data_serializer must be json, not 'pickle': nothing is ever unpickled",
        ),
    ],
)
def test_mistake_elsewhere_is_told_with_its_place(
    tmp_path: Path, arguments: dict[str, object], environ: dict[str, str], line: str
) -> None:
    assert problems(tmp_path, "", arguments, **environ) == [line]


def test_mistakes_of_all_layers_are_told_together(tmp_path: Path) -> None:
    found = problems(
        tmp_path, "demijohn:\n  server: {port: x}\n  nothing: 1\n", {"server.threads": 0}, DEMIJOHN_X="", PORT="y"
    )
    assert [line.partition(": ")[0] for line in found] == [
        "config.yaml:2",
        "config.yaml:3",
        "DEMIJOHN_X",
        "PORT",
        "argument",
    ]


def test_one_mistake_is_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\AThe settings hold a mistake:\n  PORT: "):
        load(tmp_path, PORT="x")


def test_read_gives_what_could_be_read(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("demijohn: {server: {port: 81, threads: many}}")
    settings, found = config.read(tmp_path, {"server.port": "x"}, SAFE)
    assert (settings["server.port"], settings.source("server.port")) == (81, "config.yaml:1")
    assert settings["server.threads"] == 8
    assert [problem.name for problem in found] == ["server.threads", "server.port"]


def test_file_or_folder_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"root: there is no folder '.*nowhere'"):
        config.load(tmp_path / "nowhere", None, SAFE)
    (tmp_path / "config.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"config\.yaml: cannot be read: Is a directory"):
        config.load(tmp_path, None, SAFE)


def test_random_documents_raise_nothing_else(tmp_path: Path) -> None:
    rng = random.Random(20)  # noqa: S311  (the same documents each time)
    pieces = [
        "demijohn:",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ": ",
        ",",
        "&a ",
        "*a",
        "!x ",
        "<<: ",
        "? ",
        "|",
    ]
    pieces += [
        "'",
        '"',
        "#",
        "---",
        "\t",
        "\x85",
        "\ufeff",
        "~",
        "yes",
        "1",
        "1:2",
        "2020-99-99",
        "app:",
        *OPTIONS,
        *SECTIONS,
    ]
    pieces += [f"{name.rpartition('.')[2]}: " for name in OPTIONS]
    broken = 0
    for _ in range(300):
        text = rng.choice(["", "demijohn:\n  "]) + "".join(rng.choices(pieces, k=rng.randrange(30)))
        (tmp_path / "config.yaml").write_text(text)
        settings, found = config.read(tmp_path, None, SAFE)
        assert settings.keys() >= OPTIONS.keys()
        assert all(len(str(problem).splitlines()) == 1 for problem in found)
        broken += bool(found)
    assert 100 < broken < 300


# Secrets


def test_secret_is_needed_outside_development(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="default: secret is not set") as caught:
        config.load(tmp_path, None, {})
    assert 'python3 -c "import secrets; print(secrets.token_urlsafe(32))"' in str(caught.value)
    assert "the variable SECRET_KEY" in str(caught.value)
    settings = config.load(tmp_path, None, {"DEMIJOHN_ENV": "development"})
    assert len(settings["secret"]) == 1
    assert settings.source("secret") == "default (development only)"
    assert not settings.rows()[1].changed


def test_secret_is_not_said_to_be_missing_where_the_file_could_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"demijohn:\n  secret: {PHRASE}\n  x: [\n")
    with pytest.raises(ConfigError) as caught:
        config.load(tmp_path, None, {})
    assert [problem.source for problem in caught.value.problems] == ["config.yaml:4"]


def test_session_secret_falls_back_to_the_secret(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings["session.secret"] == settings["secret"] == (PHRASE,)
    assert settings.source("session.secret") == "SECRET_KEY"
    own = load(tmp_path, "", {"session.secret": "b" * 16})
    assert (own["session.secret"], own.source("session.secret")) == (("b" * 16,), "argument")


def test_short_secret_is_refused_outside_development(tmp_path: Path) -> None:
    text = f"demijohn:\n  secret: [{PHRASE}, short-word]\n  session: {{secret: tiny-word}}\n"
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load(tmp_path, None, {})
    assert [str(problem).partition(";")[0] for problem in caught.value.problems] == [
        "config.yaml:2: secret is too short: outside development each has at least 16 characters",
        "config.yaml:3: session.secret is too short: outside development each has at least 16 characters",
    ]
    assert "-word" not in str(caught.value)
    assert config.load(tmp_path, None, {}, base={"environment": "development"})["session.secret"] == ("tiny-word",)


@pytest.mark.parametrize(
    "text",
    [
        "demijohn: {secret: {hunter2: hunter2}}",
        "demijohn: {secret: [[hunter2]]}",
        "demijohn:\n  secret: *hunter2",
        "demijohn:\n  secret: !hunter2",
        "demijohn:\n  secret: @hunter2",
        "demijohn:\n  secret: 'hunter2",
        "demijohn:\n  secret: hunter2",
        "demijohn:\n  secret: hunter2: hunter2",
        "demijohn: {database: {url: 'mysql://u:hunter2@@h'}}",
        "demijohn: {database: {url: hunter2}}",
        "demijohn: {database: hunter2}",
        "demijohn: {redis: {url: 'http://:hunter2@h'}}",
        "demijohn: {memcached: {url: 'memcached://u:hunter2@h'}}",
        "demijohn: {memcached: {url: 'memcached://u:hunter2@h:x'}}",
        "demijohn: {memcached: {password: hunter2}}",
        "demijohn: {secert: hunter2}",
    ],
)
def test_secret_is_in_no_message(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load(tmp_path, None, {})
    assert "hunter2" not in str(caught.value) + repr(caught.value.problems)


def test_secret_is_in_no_row_and_no_repr(tmp_path: Path) -> None:
    text = "demijohn: {redis.url: 'redis://:hunter2@h', app: {token: hunter2, list: [hunter2]}}"
    environ = {"SECRET_KEY": "hunter2" * 3, "DATABASE_URL": "postgres://ann:hunter2@h/d", "DEMIJOHN_APP_X": "hunter2"}
    settings = load(tmp_path, text, {"session.secret": "hunter2" * 4}, **environ)
    rows = {row.name: row for row in settings.rows()}
    assert "hunter2" not in str(rows) + repr(settings)
    without_app = {name: settings[name] for name in OPTIONS}
    assert "hunter2" not in repr(without_app)
    assert rows["database.url"].value.startswith("postgresql+psycopg://ann:(sha256:")
    assert rows["secret"].value != rows["session.secret"].value
    assert rows["secret"].value == {row.name: row for row in load(tmp_path, "", None, **environ).rows()}["secret"].value


# Contradictions


@pytest.mark.parametrize(
    ("arguments", "environ", "line"),
    [
        (
            {"session.samesite": "none", "session.secure": False},
            {},
            "argument: session.samesite None needs session.secure; browsers throw such a cookie away",
        ),
        (
            {},
            {"DYNO": "web.1"},
            "host heroku: database.url is an SQLite file, and Heroku forgets what is written to its disk;",
        ),
        (
            {"database.url": "sqlite:////data/x"},
            {"GAE_ENV": "standard"},
            "argument: database.url is an SQLite file, and Google App Engine has no disk to write to; set DATABASE_URL",
        ),
    ],
)
def test_contradiction_is_a_sentence(
    tmp_path: Path, arguments: dict[str, object], environ: dict[str, str], line: str
) -> None:
    found = problems(tmp_path, "", arguments, **environ)
    assert len(found) == 1
    assert found[0].startswith(line)


def test_no_contradiction_where_there_is_none(tmp_path: Path) -> None:
    load(tmp_path, "", {"session.type": "memcached"}, MEMCACHED_URL="h")
    load(tmp_path, "", {"session.type": "memcached"}, SERVER_SOFTWARE="direwolf/0.1", DATABASE_URL="mysql://h/d")
    load(tmp_path, "", {"database.url": ""}, DYNO="web.1")
    load(tmp_path, "", None, DYNO="web.1", DEMIJOHN_ENV="development")
    load(tmp_path, "", {"session.samesite": "None"})
    load(tmp_path, "", {"session.type": "memory", "server.workers": 2}, DEMIJOHN_ENV="development")


def test_contradiction_of_a_wrong_value_is_not_said(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, "", {"session.type": "memcached"}, MEMCACHED_URL="a:b")
    assert found.startswith("MEMCACHED_URL: memcached.url must be a list of servers, each host:port, ")
