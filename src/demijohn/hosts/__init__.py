"""The hosts that Demijohn knows, one file each. Nothing outside this package asks which host it is on; it asks what the
host sets, or what its disk does."""

from __future__ import annotations

from collections.abc import Mapping

from demijohn.errors import UnknownHostError
from demijohn.hosts import cloudrun, gae, heroku, local, pythonanywhere, sae
from demijohn.hosts.host import Host as Host

#: The first one that recognises its own variables is taken; `local` recognises nothing and is what is left.
HOSTS: tuple[Host, ...] = (heroku.HOST, gae.HOST, cloudrun.HOST, pythonanywhere.HOST, sae.HOST, local.HOST)


def detect(environ: Mapping[str, str]) -> Host:
    """The host that this process runs on. DEMIJOHN_HOST, where it is set, decides.

    :raises UnknownHostError: DEMIJOHN_HOST names none of `HOSTS`.
    """
    name = environ.get("DEMIJOHN_HOST", "").strip()
    if not name:
        return next((host for host in HOSTS if host.recognised(environ)), local.HOST)
    for host in HOSTS:
        if host.name == name.lower():
            return host
    raise UnknownHostError(name, tuple(host.name for host in HOSTS))
