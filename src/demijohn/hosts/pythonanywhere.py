"""PythonAnywhere: uWSGI of the host's own, which neither asks for an address nor has threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from demijohn.hosts.host import Host, Limits, Proxies

if TYPE_CHECKING:
    from demijohn.findings import Finding
    from demijohn.hosts.plan import Plan


def files(plan: Plan) -> dict[str, str]:
    from demijohn.hosts.texts import pythonanywhere

    return {HOST.door: pythonanywhere.wsgi(plan)}


def commands(plan: Plan) -> list[str]:
    from demijohn.hosts.texts import SECRET, pythonanywhere

    user, folder = plan.user, pythonanywhere.folder(plan)
    url = f"mysql://{user}:PASSWORD@{user}.mysql.pythonanywhere-services.com/{user}$DATABASE"
    variables = "SECRET_KEY=%s\\nDATABASE_URL=%s\\n" if plan.database else "SECRET_KEY=%s\\n"
    values = f'"{SECRET}"' + (f" '{url}'" if plan.database else "")
    statics = [(plan.static_url.rstrip("/") + "/", f"{folder}/{plan.static_path}")]
    statics += [(f"/{name}", f"{folder}/{plan.static_path}/{name}") for name in plan.at_root]
    virtualenv = f"{folder}/.venv"
    program = f"{virtualenv}/bin/python {folder}/{HOST.door}"
    release = plan._replace(demijohn=program).release
    return [
        f"# In a console at PythonAnywhere, with the site in {folder} (by git clone, say):",
        f"python{plan.python} -m venv {virtualenv}",
        f"{virtualenv}/bin/pip install --requirement {folder}/requirements.txt",
        f"printf '{variables}' {values} > {folder}.env && chmod 600 {folder}.env",
        *([release] if release else []),
        f"# On the Web tab: a new web app, Manual configuration, Python {plan.python}; Virtualenv: {virtualenv}",
        f"cp {folder}/{HOST.door} /var/www/{user.lower()}_pythonanywhere_com_wsgi.py",
        "# On the Web tab, Static files (URL, Directory):",
        *(f"#   {address}  {place}" for address, place in statics),
        *(
            ["# On the Tasks tab, once a day:", f"#   {program} sessions clean --once", "# For the next release:"]
            if plan.database
            else ["# For the next release:"]
        ),
        f"git -C {folder} pull && {virtualenv}/bin/pip install --requirement {folder}/requirements.txt",
        *([release] if release else []),
        f"touch /var/www/{user.lower()}_pythonanywhere_com_wsgi.py",
    ]


def checks(plan: Plan) -> Iterator[Finding]:
    from demijohn.hosts.checks.clouds import pythonanywhere_file

    return pythonanywhere_file(plan)


HOST = Host(
    name="pythonanywhere",
    title="PythonAnywhere",
    disk="kept",
    database="mysql",
    defaults={
        "environment": "production",
        "database.idle": 280,  # its MySQL hangs up after 300 s (help page "UsingSQLAlchemywithMySQL")
        "static.hash": "query",  # its own servers send static/, by the names that lie there
        "server.threads": 1,
    },
    environ={"PYTHONANYWHERE_DOMAIN": "pythonanywhere.com", "PYTHONANYWHERE_SITE": "www.pythonanywhere.com"},
    pythons=("3.10", "3.11", "3.12", "3.13"),
    threads=False,
    processes=False,
    port=None,
    door="pythonanywhere_wsgi.py",
    at_home=False,  # the home of the user, unless the Web tab says otherwise
    forks=True,
    limits=Limits(
        request=300,
        boot=20,  # a reload that takes longer is given up
        idle=300,
        memory=3072,
        total=512 * 1024**2,  # of a free account
    ),
    proxies=Proxies(hops=1, client="X-Real-IP", scheme="X-Forwarded-Proto"),
    logs="/var/log/DOMAIN.server.log, and what fails as it starts: DOMAIN.error.log",
    caution=(
        "Each process answers one request at a time. There is no memcached, and a server elsewhere is reached from "
        "paid accounts only; MySQL is for them too, and for free ones made before 2026-01-15. SQLite is slow on its "
        "disk. Not verified here: X-Forwarded-Proto. The variables by which it is recognised are documented nowhere; "
        "the file that it loads sets DEMIJOHN_HOST."
    ),
    source="https://help.pythonanywhere.com/pages/UsingSQLAlchemywithMySQL, "
    "https://help.pythonanywhere.com/pages/AsyncInWebApps, https://help.pythonanywhere.com/pages/DebuggingImportError",
    files=files,
    commands=commands,
    checks=checks,
)
