"""A server of your own: systemd keeps the site, nginx, Apache or lighttpd stands before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demijohn.hosts.host import Host, Limits, Proxies

if TYPE_CHECKING:
    from demijohn.hosts.plan import Plan

#: What the unit of systemd and the site of nginx say, in seconds.
_GRACE, _REQUEST = 90, 60


def files(plan: Plan) -> dict[str, str]:
    from demijohn.hosts.texts import own

    return own.files(plan, 8000, _GRACE, _REQUEST)


def commands(plan: Plan) -> list[str]:
    from demijohn.hosts.texts import own

    name, folder = plan.name, own.folder(plan)
    return [
        f"# On the server, with the site in {folder}, where it belongs to root, or to whoever brings the next release:",
        f"sudo useradd --system --home-dir {folder} --no-create-home --shell /usr/sbin/nologin {name}",
        f"sudo python{plan.python} -m venv {folder}/.venv",
        f"sudo {folder}/.venv/bin/pip install --requirement {folder}/requirements.txt",
        f"sudo install --mode 600 {folder}/server/{name}.env.example /etc/{name}.env",
        f"sudoedit /etc/{name}.env",
        f"sudo cp {folder}/server/{name}.service /etc/systemd/system/{name}.service",
        f"sudo systemctl enable --now {name}",
        f"sudo cp {folder}/server/{name}.nginx.conf /etc/nginx/sites-available/{name}",
        f"sudo ln --symbolic /etc/nginx/sites-available/{name} /etc/nginx/sites-enabled/{name}",
        "sudo nginx -t && sudo systemctl reload nginx",
        "# For the next release, once the folder has it:",
        f"sudo {folder}/.venv/bin/pip install --requirement {folder}/requirements.txt",
        f"sudo systemctl restart {name}",
    ]


HOST = Host(
    name="vm",
    title="a server of your own behind nginx",
    disk="kept",
    defaults={"environment": "production", "server.port": 8000, "server.workers": 2, "static.hash": "query"},
    environ={"DEMIJOHN_HOST": "vm", "PORT": "8000"},
    port=8000,
    start="gunicorn main:app",
    limits=Limits(first_byte=_REQUEST, grace=_GRACE),
    proxies=Proxies(hops=1, client="X-Forwarded-For", scheme="X-Forwarded-Proto", peers=("127.0.0.0/8", "::1", "unix")),
    request_id="X-Request-ID",  # set by its nginx
    logs="journalctl --follow --unit NAME",
    caution=(
        "The numbers are those of the files that are written for it; a proxy of another make must set X-Forwarded-For "
        "and X-Forwarded-Proto by itself, and port 8000 must not be reachable from elsewhere. Apache's mod_wsgi and "
        "uWSGI load index.wsgi without any server of the site's own."
    ),
    source="https://nginx.org/en/docs/http/ngx_http_proxy_module.html, "
    "https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html, https://gunicorn.org/deploy/",
    files=files,
    commands=commands,
)
