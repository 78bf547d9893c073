"""`demijohn bundle` and secrets: whatever a site holds, none leaves this machine."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path

import pytest

from demijohn import hosts
from demijohn.deploy.bundle import make
from demijohn.deploy.bundle.errors import SecretsError
from tests.bundles import bundle, put, small_site

LONG = "kV3pQ8rT5wY2zB6nM9cF"
PRIVATE_KEY = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA7bq" * 4


@pytest.mark.parametrize(
    ("environ", "planted", "what"),
    [
        ({"SECRET_KEY": LONG}, f"key = '{LONG}'", "the value of secret"),
        ({"DATABASE_URL": f"mysql://me:{LONG}@db/x"}, f"x = '{LONG}'", "the password in database.url"),
        ({"DATABASE_URL": "mysql://me:p%40ssw0rd@db/x"}, "x = 'p@ssw0rd'", "the password in database.url"),
        ({"STRIPE_API_KEY": LONG}, f"x = '{LONG}'", "the value of STRIPE_API_KEY"),
        ({"AMQP_URL": f"amqp://me:{LONG}@mq"}, f"x = '{LONG}'", "the password in AMQP_URL"),
        ({"API_TOKEN": LONG}, f"x = '{b64encode(f'me:{LONG}'.encode()).decode()}'", "the value of API_TOKEN"),
        ({"DB_PASSWORD": "p@ssw0rd"}, "x = 'mysql://me:p%40ssw0rd@db'", "the value of DB_PASSWORD"),
        ({"DB_PASSWORD": 'p"ssw0rd'}, 'x = "p\\"ssw0rd"', "the value of DB_PASSWORD"),
        ({}, f"x = 'ghp_{LONG}{LONG[:16]}'", "an access token"),
        ({}, f"x = '''{PRIVATE_KEY}'''", "a private key"),
        ({}, "x = 'sesame-from-dotenv-1'", "the value of MAIL_PASSWORD in .env"),
    ],
)
def test_a_secret_in_the_text_is_refused_with_its_line(
    tmp_path: Path, environ: dict[str, str], planted: str, what: str
) -> None:
    site = small_site(tmp_path / "site", app__mail_py=f'"""Mail."""\n\n{planted}\n')
    put(site, ".env", "export MAIL_PASSWORD='sesame-from-dotenv-1'\n")
    with pytest.raises(SecretsError) as caught:
        make(site, hosts.find("vm"), tmp_path / "out", environ=environ)
    assert [str(part) for leak in caught.value.leaks for part in leak] == ["app/mail.py", "3", what]
    assert f"app/mail.py:3: {what}" in str(caught.value)
    for secret in (LONG, "p@ssw0rd", "sesame"):
        assert secret not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_secrets_that_nothing_but_their_names_tell_are_refused(tmp_path: Path) -> None:
    site = small_site(tmp_path / "site")
    put(
        site,
        "config.yaml",
        f"demijohn:\n  app:\n    mail: {{from: a@b.cd, smtp_password: {LONG}}}\n    token_field: csrf1\n",
    )
    put(site, "requirements.txt", f"--extra-index-url https://me:{LONG[::-1]}@packages.example/simple\n")
    with pytest.raises(SecretsError) as caught:
        make(site, hosts.find("vm"), tmp_path / "out", environ={})
    assert caught.value.leaks == [
        ("config.yaml", 3, "the value of app.smtp_password"),
        ("requirements.txt", 1, "the password in an address"),
    ]


def test_a_secret_among_the_packages_is_refused(tmp_path: Path) -> None:
    site = small_site(tmp_path / "site", **{"site-packages__mine_py": f"key = '{LONG}'\n"})
    with pytest.raises(SecretsError, match=r"site-packages/mine\.py:1: the value of API_KEY"):
        make(site, hosts.find("vm"), tmp_path / "out", environ={"API_KEY": LONG})
    assert os.listdir(tmp_path) == ["site"]


def test_a_secret_in_a_large_file_is_found(tmp_path: Path) -> None:
    site = small_site(tmp_path / "site", static__large_txt="x\n" * 600_000 + LONG)
    with pytest.raises(SecretsError, match=r"static/large\.txt:600001: the value of API_KEY"):
        make(site, hosts.find("vm"), tmp_path / "out", environ={"API_KEY": LONG})


def test_a_secret_in_config_yaml_is_refused_by_the_command(tmp_path: Path) -> None:
    site = small_site(tmp_path / "site", config_yaml=f"demijohn:\n  environment: production\n  secret: {LONG * 2}\n")
    done = bundle("vm", "--root", str(site))
    assert done.returncode == 1
    assert "config.yaml:3: the value of secret" in done.stderr
    assert LONG not in done.stderr
    assert not (site / "dist" / "vm").exists()


def test_a_word_that_is_somebody_s_password_is_no_leak(tmp_path: Path) -> None:
    site = small_site(tmp_path / "site", app__form_py="FIELD = 'password'\n")
    make(site, hosts.find("vm"), tmp_path / "out", environ={"DATABASE_URL": "mysql://me:password@db/x"})
