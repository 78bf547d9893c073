"""An nginx before several copies of a site, as somebody would set it up who knows little of it."""

from __future__ import annotations

import contextlib
import getpass
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from tests.services import HOST, Service, program

_CONF = """
daemon off; master_process off; user {user}; pid {folder}/nginx.pid; error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream copies {{ {servers} }}
    server {{
        listen {host}:{port};
        location / {{ proxy_pass http://copies; proxy_set_header X-Forwarded-For $remote_addr; }}
    }}
}}
"""


class _Nginx(Service):
    name: ClassVar[str] = "nginx"

    def __init__(self, ports: tuple[int, ...]) -> None:
        self._ports = ports
        super().__init__()

    def command(self) -> list[str]:
        folder = tempfile.mkdtemp(dir=self.folder)
        # A copy that has refused once is asked again at once: it may be back.
        servers = " ".join(f"server {HOST}:{port} max_fails=0;" for port in self._ports)
        conf = Path(folder, "nginx.conf")
        conf.write_text(
            _CONF.format(user=getpass.getuser(), folder=folder, servers=servers, host=self.host, port=self.port)
        )
        return [program("nginx", "nginx-light"), "-p", folder, "-c", str(conf)]

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}/_health/live", timeout=5):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False


@contextlib.contextmanager
def front(*ports: int) -> Iterator[str]:
    """nginx, which sends each request to the next of the copies at these ports. Its address."""
    with _Nginx(ports) as nginx:
        yield f"http://{nginx.address}"
