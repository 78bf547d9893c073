"""A config.yaml that is read without yaml: whatever is taken for plain, YAML reads as well, and in the same way."""

from __future__ import annotations

import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demijohn.config import OPTIONS, document, plain
from demijohn.config.draft import Given
from demijohn.config.options import SECTIONS

ROOT = Path(__file__).parent.parent

PLAIN = """\
# Sina App Engine reads the lines above `demijohn:`, für sich.
name: shop
version: 1

demijohn:   # ours
  environment: development
  session:
      timeout: 12h # seconds
      # cookie_expires: true

      httponly: Yes
      cookie_domain:
      samesite: null
  body.limit: 4 MB
  database:
    url: mysql://user:word@db.example.org:3306/shop?charset=utf8mb4&ssl_ca=/etc/ca.pem
  secret: 12:30
"""


def both(path: Path, text: str) -> tuple[tuple[list[Given], Given | None] | None, document.Document]:
    path.write_bytes(text.encode())
    return plain.find(path), document.read(path)


def test_plain_file(tmp_path: Path) -> None:
    found, read = both(tmp_path / "config.yaml", PLAIN)
    assert found == (read.given, read.name)
    assert [(name, value, source.partition(":")[2]) for name, value, source in read.given] == [
        ("environment", "development", "6"),
        ("session.timeout", "12h", "8"),
        ("session.httponly", True, "11"),
        ("body.limit", "4 MB", "14"),
        ("database.url", "mysql://user:word@db.example.org:3306/shop?charset=utf8mb4&ssl_ca=/etc/ca.pem", "16"),
        ("secret", "12:30", "17"),
    ]
    assert read.name == Given("name", "shop", "config.yaml:2 (name)")


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "name: 1\n", "demijohn:\n", "demijohn:\nname: null"])
def test_little_is_plain(text: str, tmp_path: Path) -> None:
    found, read = both(tmp_path / "config.yaml", text)
    assert found == (read.given, read.name)


@pytest.mark.parametrize(
    "text",
    [
        "name: 'shop'\n",
        "name: &a shop\n",
        "name: a: b\n",
        "name: shop\r\n",
        "name:\tshop\n",
        "name: a\u2028b: c\n",
        "# a\x85b: c\n",
        "\ufeffname: shop\n",
        "--- # a\nname: shop\n",
        "name: shop\n  and more\n",
        "name: shop\nname: shop\n",
        "handlers:\n- url: /\n",
        "handlers:\n  url: /\n",
        "demijohn: {session: {timeout: 5}}\n",
        "Demijohn:\n  session:\n",
        "session:\n  timeout: 5\n",
        "demijohn:\n  server: 5\n",
        "demijohn:\n  sesion:\n",
        "demijohn:\n  server.port: 1\n  server:\n    port: 2\n",
        "demijohn:\n  server:\n  server:\n",
        "demijohn:\n  server:\n    port: 1\n   host: x\n",
        "demijohn:\n  server:\n    port: 1\n      host: x\n",
        "demijohn:\n  security.hosts:\n  - example.org\n",
        "demijohn:\n  app:\n    title: 1\n",
        "demijohn:\n  app.title: 1\n",
        " name: shop\n",
    ],
)
def test_what_is_left_to_yaml(text: str, tmp_path: Path) -> None:
    found, _ = both(tmp_path / "config.yaml", text)
    assert found is None


def test_what_cannot_be_read_is_left_to_yaml(tmp_path: Path) -> None:
    assert plain.find(tmp_path) is None
    (tmp_path / "config.yaml").write_bytes(b"# \xff\n")
    assert plain.find(tmp_path / "config.yaml") is None


SEEMING = (
    "yes",
    "No",
    "oN",
    "NULL",
    "null",
    "nUll",
    "0",
    "0x1f",
    "1_0",
    "1e3",
    "12:30",
    "2001-01-01",
    "1.",
    "Off",
    "n",
)
PLAINS = st.sampled_from([*SEEMING, "", "4 MB", "/x", "h:1", "a,b", "mysql://u:p@h/d?a=b&c"])
OTHERS = st.sampled_from(
    ["a#b", "a #b", "a: b", "a:", "'a'", "-", "a - b", "~", "=", "[a]", "{}", "&a", "? a", "a\n  b"]
)
VALUES = st.one_of(*[PLAINS] * 20, OTHERS, st.text("ab0:/#-?&,=~.@% ", max_size=6))


def pairs(names: list[str], indent: str) -> st.SearchStrategy[list[str]]:
    made = st.builds(
        lambda name, space, value, note: f"{indent}{name}:{space}{value}{note}",
        st.sampled_from(names),
        st.sampled_from([" ", "  "]),
        VALUES,
        st.sampled_from(["", "", " ", " # note"]),
    )
    return st.lists(made, max_size=2)


def mapping(name: str, indent: str) -> st.SearchStrategy[list[str]]:
    known = [option.partition(".")[2] for option in OPTIONS if option.startswith(f"{name}.")]
    return pairs(known, indent).map(lambda below: [f"  {name}:", *below])


TOPS = st.lists(st.sampled_from(["name: shop", "version: 1", "# note", "", "runtime: a b"]), max_size=2, unique=True)
BELOW = st.tuples(st.sampled_from(SECTIONS[:-1]), st.sampled_from(["   ", "    "])).flatmap(lambda each: mapping(*each))
FILES = st.builds(
    lambda top, below: "\n".join([*top, "demijohn:", *chain.from_iterable(below)]),
    TOPS,
    st.lists(BELOW | pairs(list(OPTIONS), "  "), min_size=1, max_size=3),
)
CHARS = st.sampled_from(["", *" \t\n\r:#-'\"[{&*!|>%@`?~,.ab\u00e9\u2028\x85\ufeff"])
SLIPS: st.SearchStrategy[list[tuple[int, str, bool]]] = (
    st.just([]) | st.just([]) | st.lists(st.tuples(st.integers(0, 300), CHARS, st.booleans()), max_size=2)
)


def with_slips(text: str, slips: list[tuple[int, str, bool]]) -> str:
    for place, char, instead in slips:
        place %= len(text) + 1
        text = text[:place] + char + text[place + instead :]
    return text


@given(FILES, SLIPS)
@settings(max_examples=300, deadline=None)
def test_all_that_is_taken_yaml_reads_alike(
    tmp_path_factory: pytest.TempPathFactory, text: str, slips: list[tuple[int, str, bool]]
) -> None:
    text = with_slips(text, slips)
    found, read = both(tmp_path_factory.getbasetemp() / "config.yaml", text)
    if found is not None:
        assert (read.given, read.name, read.problems) == (*found, [])


@pytest.mark.parametrize("folder", [".", "benchmarks/sites/demijohn"])
def test_our_own_need_no_yaml(folder: str) -> None:
    program = (
        "import sys; from demijohn import config;"
        "config.read(sys.argv[1], None, {'SECRET_KEY': 'x' * 20}); print('yaml' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, ROOT / folder], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
