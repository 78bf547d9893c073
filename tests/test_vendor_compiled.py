"""`demijohn vendor`: packages with compiled files, packages that must be built, packages with hashes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from demijohn.deploy import vendor
from demijohn.deploy.vendor import known, trial
from demijohn.deploy.vendor.errors import EngineError, NotPureError, VendorError
from demijohn.deploy.vendor.target import running
from demijohn.hosts import Host
from tests.carried import OTHER, OURS, PLATFORM, Place, find
from tests.carried import place as place
from tests.carried import wheels as wheels
from tests.wheels import LIBRARY, digest, write_wheel


def test_a_package_that_falls_back_is_carried_without_its_compiled_files(place: Place) -> None:
    place.needs("fast", "greenlet")
    report = place.fill(pure=True)
    fast = find(report, "fast")
    assert fast.dropped == ("fast.libs/libspeed-1a2b.so.3", f"fast/_speed{LIBRARY}")
    assert not fast.compiled
    assert not report.compiled
    assert {path for path in place.carried() if path.startswith("fast")} == {
        "fast/__init__.py",
        "fast/parts.py",
        "fast/more.py",
        "fast-2.0.dist-info/METADATA",
        "fast-2.0.dist-info/WHEEL",
    }
    assert find(report, "greenlet").notes == ("left out whole: only SQLAlchemy's asyncio extension needs it",)
    assert not (place.target / "greenlet").exists()
    assert json.loads((place.target / vendor.MANIFEST).read_text())["pure"] is True


def test_packages_that_do_not_are_refused_all_at_once(place: Place) -> None:
    place.fill()
    before = place.files()
    place.needs("fast", "needs", "bare", "program", "greenlet")
    before["requirements.txt"] = (place.root / "requirements.txt").read_bytes()
    host = Host("strict", "The strict host", "none", native=False)
    with pytest.raises(NotPureError, match="The strict host lets no compiled files in, and these") as raised:
        place.fill(host=host, packages=["greenlet"])
    refusals = raised.value.refusals
    assert set(refusals) == {"needs", "bare", "program", "greenlet"} - {"greenlet"}
    assert refusals["needs"].startswith("import needs.core: ImportError: cannot import name")
    assert refusals["bare"] == "it is nothing but compiled files"
    assert refusals["program"] == "it runs a program of its own, program/run"
    assert place.files() == before


def test_what_another_package_or_the_settings_need_is_not_left_out(place: Place) -> None:
    place.needs("greenlet", "gevent", "psycopg", "psycopg-binary")
    report = place.fill(pure=True)
    assert (place.target / "greenlet").is_dir()
    for name in ("psycopg", "psycopg-binary"):
        assert find(report, name).notes == ("left out whole: no PostgreSQL is set for this site",)
        assert find(report, name).files == 0
    assert "psycopg" not in json.loads((place.target / vendor.MANIFEST).read_text())["packages"]
    (place.root / "config.yaml").write_text("demijohn: {database: {url: 'postgresql://there/site'}}\n")
    with pytest.raises(NotPureError, match=r"psycopg-binary: it is PostgreSQL's library"):
        place.fill(pure=True)


def test_where_there_is_no_python_of_that_version_what_is_known_counts(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("PATH", "HOME", "PYENV_ROOT"):
        monkeypatch.setenv(name, str(tmp_path))
    assert trial.find_python(OTHER) is None
    tag = f"cp{OTHER.replace('.', '')}-cp{OTHER.replace('.', '')}-{PLATFORM}"
    folder = tmp_path / "more"
    folder.mkdir()
    for name, text in (("markupsafe", "import nothing_of_the_kind"), ("unknown", ""), ("lxml", "")):
        write_wheel(folder, name, "99", {f"{name}/__init__.py": text, f"{name}/_x.so": b"\x7fELF"}, tag=tag)
    place.needs("markupsafe", "unknown")
    links = [str(place.wheels), str(folder)]
    report = place.fill(OTHER, pure=True, find_links=links)
    assert "not tried, for there is no Python" in find(report, "markupsafe").notes[0]
    assert find(report, "unknown").notes == (f"tried with Python {running()}, for there is no {OTHER} here",)
    place.needs("lxml")
    with pytest.raises(NotPureError) as raised:
        place.fill(OTHER, pure=True, find_links=links)
    assert raised.value.refusals == {"lxml": known.NEEDS["lxml"]}


def test_a_package_of_which_there_is_only_the_source_is_built_if_it_is_pure(place: Place) -> None:
    place.needs("only-source")
    assert find(place.fill(OTHER), "only-source").origin == "sdist"
    assert (place.target / "only_source.py").read_text() == "x = 1\n"
    place.needs("only-compiled")
    before = place.files()
    for engine in ("uv", "pip"):
        with pytest.raises(VendorError, match=r"only-compiled has no wheel"):
            place.fill(engine=engine)
        assert place.files() == before


def test_hashes_are_checked(place: Place) -> None:
    files = {path.name.split("-")[0]: path for path in place.wheels.iterdir()}
    pins = [
        f"{name}=={files[name].name.removesuffix('.tar.gz').split('-')[1]} \\\n  --hash={digest(files[name])}"
        for name in ("by_version_new", "only_source", *OURS)
    ]
    wrong = pins[0][:-1] + ("0" if pins[0][-1] != "0" else "1")
    file = place.root / "requirements.txt"
    file.write_text("\n".join(pins) + "\n")
    with pytest.raises(VendorError, match=r"requirements\.txt has hashes.*plain has none"):
        place.fill(packages=["plain"])
    unhashed = ["gevent==1", *pins]
    for engine, others in (("uv", ([wrong, *pins[1:]], unhashed)), ("pip", ([wrong, *pins[1:]],))):
        file.write_text("\n".join(pins) + "\n")
        assert find(place.fill(OTHER, engine=engine), "only-source").origin == "sdist"
        carried = place.carried()
        for lines in others:
            file.write_text("\n".join(lines) + "\n")
            with pytest.raises(EngineError, match="is not the one whose hash the requirements name, or"):
                place.fill(OTHER, engine=engine)
        assert place.carried() == carried
