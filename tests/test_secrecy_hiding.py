"""What is taken out of texts: one table of planted secrets, for the log and the tickets alike."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from demijohn.logs.formats import Json
from demijohn.secrecy import HIDDEN, address, is_secret_field, of_request, query
from demijohn.secrecy.hiding import EDGE, MOST, Secrets
from demijohn.tickets import facts
from demijohn.tickets.frames import show

#: No value of these stands in what is left.
PLANT = "Pl4nted7Zx81Qw"
WORD = "pl4nted/ Zx81'Qw"
BASIC = base64.b64encode(f"ann:{PLANT}".encode()).decode()
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJQbDRudGVkIn0.UGw0bnRlZDdaeDgxUXc"
PEM = "-----BEGIN RSA PRIVATE KEY-----\n" + f"{PLANT * 4}\n" * 20 + "-----END RSA PRIVATE KEY-----"
NESTED = json.dumps(json.dumps({"user": {"password": PLANT}}))
PLANTED = {
    # Headers and cookies
    "a header": f"Host: shop\r\nX-Api-Key: {PLANT}\r\nAccept: */*",
    "a header's repr": repr({"Host": "shop", "X-Api-Key": PLANT}),
    "a cookie": f"Cookie: theme=dark; session={PLANT}",
    "a cookie with quotes": f'Cookie: theme="dark"; session={PLANT}; a=b',
    "a cookie that is set": f"Set-Cookie: session={PLANT}; Path=/; HttpOnly",
    "a cookie's repr": repr({"HTTP_COOKIE": f'theme="dark"; session={PLANT}'}),
    "headers as pairs": repr([("Host", "shop"), ("Cookie", f"session={PLANT}"), ("X-Auth-Token", PLANT)]),
    "headers as pairs of bytes": repr([(b"authorization", f"Basic {BASIC}".encode())]),
    "basic": f"Authorization: Basic {BASIC}",
    "basic by itself": f"sent Basic {BASIC} to them",
    "bearer": f"curl -H 'Authorization: Bearer {PLANT}'",
    "bearer by itself": f"got bearer {PLANT}, which is over",
    "digest": f'Authorization: Digest username="ann", nonce="1", response="{PLANT}"',
    "of a WSGI environ": repr({"HTTP_AUTHORIZATION": f"Token {PLANT}", "PATH_INFO": "/"}),
    "of a CGI environ": f"HTTP_PROXY_AUTHORIZATION=Basic {BASIC}",
    # Addresses
    "a url": f"cannot connect to mysql://shop:{PLANT}@db.example.org/shop?charset=utf8mb4",
    "a url with an @": f"amqp://shop:{PLANT}@{PLANT}@mq.example.org",
    "a url with a slash": f"postgresql+psycopg://shop:ab/{PLANT}@db.example.org/shop",
    "a url without a user": f"redis://:{PLANT}@127.0.0.1:6379/0",
    "two urls": repr(("https://a.example.org", f"https://ann:{PLANT}@b.example.org")),
    "a query": f"GET /reset?page=1&token={PLANT}&x=2 HTTP/1.1",
    "a field of addresses": f"https://shop.example.org/callback?code={PLANT}&state={PLANT}",
    "a fragment": f"https://shop.example.org/#access_token={PLANT}",
    "an address in an address": f"/sign-in?to=%2Freset%3Ftoken%3D{PLANT}%26page%3D2",
    "percents around": f"%7B%22password%22%3A%22{PLANT}%22%2C%22a%22%3A1%7D",
    "percents within": f"?password={quote(PLANT + '%&', safe='')}&a=b",
    # Bodies
    "a form": urlencode({"name": "ann", "password": PLANT, "a": "b"}),
    "a form's bytes": repr(urlencode({"name": "ann", "new_password": PLANT}).encode()),
    "a form's pin": urlencode({"name": "ann", "pin": 471147, "a": PLANT[:0]}),
    "JSON": json.dumps({"user": {"name": "ann", "password": PLANT, "api_key": PLANT}, "list": [{"token": PLANT}]}),
    "JSON with quotes": json.dumps({"password": f'"{PLANT}"\\"{PLANT}'}),
    "JSON in JSON": NESTED,
    "JSON in JSON in a repr": repr(NESTED),
    "JSON with spaces": json.dumps({"password": PLANT}, indent=4),
    "JSON with lists": json.dumps({"tokens": ["a", PLANT], "credentials": {"user": PLANT}}),
    "JSON's bytes": repr(json.dumps({"password": PLANT}).encode()),
    "parts": f'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n{PLANT}\r\n--x--',
    "parts' bytes": repr(f'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\n{PLANT}\r\n--x--'.encode()),
    # Python
    "keyword arguments": f"sign_in(name='ann', password={PLANT!r})",
    "a dict": repr({"password": PLANT, b"secret": PLANT.encode(), "totp": 471147}),
    "a dict with quotes": repr({"password": f'it\'s "{PLANT}"'}),
    "an object": f"<Mail host='h' user='u' smtp_password='{PLANT}'>",
    "an f-string": f"password={PLANT}, port=25",
    "what an error says": f"Wrong password: {PLANT}",
    "a name in any case": f"dbPassword: '{PLANT}'",
    "a name with letters before": f"日本password='{PLANT}'",
    "a name that is long": f"{'a' * 300}_password='{PLANT}'",
    # Settings
    "a variable": f"export STRIPE_SECRET_KEY={PLANT}",
    "a file of settings": f"[mail]\nhost = h\npassword = {PLANT}\n",
    "YAML": f"mail:\n  host: h\n  api_key: {PLANT}\n  client_secret: {PLANT}\n",
    "a dsn": f"host=db user=shop password='{PLANT} {PLANT}' dbname=shop",
    "a dsn of ODBC": f"Driver={{x}};UID=shop;PWD={PLANT};Database=shop",
    "AWS": f"aws_access_key_id = AKIA{PLANT.upper()}ZZ\naws_secret_access_key = {PLANT}/{PLANT}",
    # Databases
    "parameters": f"(sqlite3.IntegrityError) x [SQL: INSERT] [parameters: ('ann', '{PLANT}')]\n(Background: x)",
    "a failing row": f'null value in column "x"\nDETAIL:  Failing row contains (1, ann, {PLANT}).',
    "a key of PostgreSQL": f"DETAIL:  Key (token)=({PLANT}) already exists.",
    "keys of PostgreSQL": f"DETAIL:  Key (name, reset_token)=(ann, {PLANT}) already exists.",
    "a key of MySQL": f"(1062, \"Duplicate entry '{PLANT}' for key 'users.token'\")",
    # By their shapes
    "a JWT": f"refused {JWT}",
    "a JWT that was cut": f"refused {JWT[:-8]}",
    "a private key": f"cannot read {PEM}",
    "a private key's repr": repr(PEM),
    "a private key that was cut": PEM[:200],
    "tokens": f"ghp_{PLANT.replace('_', '')}abcdefghijklmnopqrstuv glpat-{PLANT}abcdefgh sk_live_{PLANT}ab",
    # Cut off
    "cut in a text": repr({"password": PLANT})[:-4],
    "cut in JSON": json.dumps({"password": PLANT})[:-6],
    "cut in a form": f"name=ann&password={PLANT[:-3]}",
    "cut in a cookie": f"Cookie: a=b; session={PLANT[:-3]}",
    "cut in a header": f"Authorization: Basic {BASIC[:-3]}",
}
KEPT = [
    "GET /guestbook?page=2&q=cake 200 in 12 ms",
    "the keyboard='x' of the author='y' and the passenger=7",
    "key: the first of three; session: closed; token: expired",
    "key=1, keys=[1, 2], primary_key=True",
    "http://localhost:8080/users/@me and http://127.0.0.1:80?x=a@b",
    "ann@example.org wrote to bob@example.org: hello",
    "['name', 'password', 'text']",
    "basic rules, bearer of news, a cookie: sweet",
    "12:00:00 error demijohn.tickets: Ticket k7m2-p9xw: ValueError: no",
    "token=None, password=False, secret=null",
]
TRACEBACK = """Traceback (most recent call last):
  File "/srv/app/__init__.py", line 7, in sign_in
    password = request.forms["password"].strip(key=lambda pair: pair[0])
               ~~~~~~~~~~~~~^^^^^^^^^^^^
  File "/srv/app/mail.py", line 9, in send
    token = make_token(user, secret=SECRET)
ValueError: no
"""


@pytest.mark.parametrize("text", PLANTED.values(), ids=PLANTED)
def test_planted_secrets(text: str) -> None:
    secrets = Secrets()
    hidden = secrets.hide(text)
    assert HIDDEN in hidden
    for planted in (PLANT, PLANT.upper(), PLANT[:-3], BASIC[:-3], "471147", JWT[-17:-8]):
        assert planted not in hidden
    assert secrets.hide(hidden) == hidden, "a text may come through here twice"
    assert PLANT not in secrets.hide(f"before: '{text}' after: it's \"{text}\"")
    # As the log has it, and a ticket.
    record = logging.LogRecord("shop", 40, "app.py", 1, "%s", (text,), None)
    error = ValueError(text)
    written = Json(secrets).format(record) + facts.message_of(error, secrets) + facts.traceback_of(error, secrets)
    assert PLANT not in written + show([text, error], secrets)


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Secrets(["of-the-tests"]).hide(text) == text


def test_of_source_only_what_stands_in_quotes_is_hidden() -> None:
    assert Secrets().hide(TRACEBACK) == TRACEBACK
    told = Secrets().hide(TRACEBACK.replace("SECRET)", f"'{PLANT}')").replace(": no", f": token={PLANT}"))
    assert told.splitlines()[-2:] == ["    token = make_token(user, secret=(hidden))", "ValueError: token=(hidden)"]
    source = f'KEY = "{PLANT}"\ntoken = make(KEY)  # not "{PLANT[::-1]}"\nPASSWORD = "unclosed {PLANT}'
    shown = f'KEY = (hidden)\ntoken = make(KEY)  # not "{PLANT[::-1]}"\nPASSWORD = (hidden)'
    assert Secrets().source(source) == shown


def test_values_that_are_known() -> None:
    secrets = Secrets([WORD, WORD[:-3]]) | Secrets(lambda: [PLANT])
    for text in (WORD, quote(WORD, safe=""), repr(WORD), json.dumps(WORD), WORD[:-3], PLANT):
        assert PLANT not in secrets.hide(f"x{text}x")
        assert WORD[:-3] not in secrets.hide(f"x{text}x")
        assert "Zx81" not in secrets.values(f"x{text}x") + secrets.source(text)


def test_what_a_visitor_has_sent() -> None:
    sent = {f"secret{number}": f"{PLANT}{number:03}" for number in range(9)}
    environ: dict[str, Any] = {
        "HTTP_COOKIE": f"a=short; session={sent['secret0']}",
        "HTTP_AUTHORIZATION": f"Bearer {sent['secret1']}",
        "HTTP_X_API_KEY": sent["secret2"],
        "QUERY_STRING": f"token={sent['secret3']}&page=/guestbook",
        "route.url_args": {"code": sent["secret4"], "id": "guestbook"},
        "bottle.request.json": {
            "user": {"password": sent["secret5"], "name": "guestbook"},
            "tokens": [sent["secret6"], {"text": sent["secret7"]}],
            "pin": 471147,
        },
    }
    secrets = Secrets()
    told = secrets.hide(" ".join([*sent.values(), "guestbook", "short", "471147"]), environ)
    assert told == f"{' '.join([HIDDEN] * 8)} {sent['secret8']} guestbook short {HIDDEN}"
    environ["bottle.request.json"] = json.loads("[" * 500 + '{"password": "x"}' + "]" * 500)
    assert secrets.hide("guestbook", environ) == "guestbook"
    environ["bottle.request.json"] = [{"token": f"{PLANT}{number}"} for number in range(100_000)]
    assert len(of_request(environ)) < 1000, "each line is searched for each of them"


def test_a_ticket_hides_what_its_visitor_has_sent() -> None:
    environ = {"HTTP_COOKIE": f"session={PLANT}", "HTTP_X_API_KEY": f"{PLANT}8", "PATH_INFO": f"/reset/{PLANT}9"}
    environ |= {"route.url_args": {"token": f"{PLANT}9"}, "QUERY_STRING": f"to=%2F%3Fpin%3D{PLANT}&page=2"}  # type: ignore[dict-item]
    environ["HTTP_REFERER"] = f"https://shop.example.org/a b?token={PLANT}&q=cake"
    error, secrets = LookupError(f"{PLANT} {PLANT}8 {PLANT}9"), Secrets()
    request = facts.request_of(environ, secrets)
    told = facts.message_of(error, secrets, environ), facts.traceback_of(error, secrets, environ), request
    assert PLANT not in json.dumps(told)
    assert (request["path"], request["query"]) == ("/reset/(hidden)", "to=/%3Fpin%3D(hidden)&page=2")
    assert request["headers"]["Referer"] == "https://shop.example.org/a b?token=(hidden)&q=cake"


def test_queries_and_addresses() -> None:
    assert (
        query(f"token={PLANT}&page=2&%70ass%77ord={PLANT}&\xc3\xbc=1&a")
        == "token=(hidden)&page=2&%70ass%77ord=(hidden)&%C3%BC=1&a"
    )
    assert address(f"/x?page=2#id_token={PLANT}") == "/x?page=2#id_token=(hidden)"
    assert (is_secret_field("Code"), is_secret_field("codes")) == (True, False)


@pytest.mark.parametrize("before", ["", " " * 100, "password='x' " * 3000, f"{PLANT} " * 4000])
def test_where_a_text_is_cut_no_half_of_a_secret_is_left(before: str) -> None:
    """However much of what stands beside the cut is hidden, and falls together."""
    secrets = Secrets([PLANT])
    for most in (MOST, facts.SEARCHED):
        for place in (most // 4, 3 * most // 4):
            for shift in range(0, len(PLANT), 3):
                head = (before + " " * most)[: place - shift]
                for planted in (PLANT, PEM, f"password='{'x' * 3000}{PLANT}'"):
                    text = secrets.hide(head + planted + " " * (2 * most), most=most)
                    assert PLANT[:4] not in text
                    assert PLANT[-4:] not in text
    error = ValueError(before + " " * (facts.SEARCHED // 4 - len(before) - 7) + PLANT + " " * facts.SEARCHED)
    assert PLANT[:4] not in facts.message_of(error, secrets) + facts.traceback_of(error, secrets)
    for value in (str(error), str(error).encode(), [str(error)[len(before) :]], Exception(" " * 900 + PLANT * 30)):
        assert PLANT[:4] not in show(value, secrets)
    for length in range(280, 300):
        assert PLANT[:4] not in show("-" * length + PLANT + "-" * 900, secrets)
    assert len(PEM) < EDGE


#: Beginnings that are repeated, and ends that never come.
PIECES = [
    "password='",
    'password="',
    "a='b=\"",
    "token=",
    "password",
    "a",
    "a.",
    "a-",
    "%",
    "%3D",
    "a%3D",
    "\\",
    "'",
    "x://a:",
    "x://",
    "a:b@",
    "://",
    "x://u:p/",
    "authorization:",
    "digest ",
    "cookie:",
    'cookie="a',
    "eyJ",
    "eyJ-",
    "eyJaaaaaaaaa.",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN ",
    "duplicate entry '",
    "(parameters: ",
    "[parameters: ",
    "('key', ",
    "key)=(",
    "{'token': {",
    'name="',
    'name="pin"\n',
    'File "',
    '  File "x", line 1, in f\n',
    " ",
    "=",
    ":",
    "basic ",
    "bearer aaaaaaaa",
    "a=b&",
    "?a=%3D",
    "a;",
    "ghp_",
    "AKIA",
    "\n",
    "\\n",
    "\\'",
    "pin=\\'",
    "pass pass=",
    "password=(hidden)",
    'key=\\"',
    "glpat-",
    "xoxb-a",
    "key: [",
    "'key': (",
]
HOSTILE = """
import json, resource, sys
from demijohn.secrecy import query
from demijohn.secrecy.hiding import Secrets

resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
size = 1 << 17
for piece in json.load(sys.stdin):
    text = piece * (size // len(piece))
    Secrets(["of the tests"]).hide(text, most=len(text))
    Secrets().source(text)
    query(text)
"""


def test_a_text_is_searched_in_a_time_that_grows_with_it() -> None:
    """131,072 characters take a twentieth of a second; where twice as many took four times as long, it would be
    minutes. Counted is the processor's time, and it is not measured, but ends what never would."""
    run = [sys.executable, "-c", HOSTILE]
    subprocess.run(run, cwd=Path(__file__).parent.parent, input=json.dumps(PIECES), text=True, check=True)
