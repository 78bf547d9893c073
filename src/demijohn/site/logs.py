"""The log of a site, made of its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demijohn.health import LIVE
from demijohn.logs.output import install
from demijohn.logs.plugin import Logs
from demijohn.logs.settings import output_of, tells_requests

if TYPE_CHECKING:
    from demijohn.site import Site


def make_logs(site: Site) -> Logs:
    """The part. From here on what the process logs goes where the host reads it, unless somebody has said where."""
    settings = site.settings
    is_ours = install(output_of(settings), settings["log.level"])
    timing = settings["log.server_timing"]
    return Logs(
        requests=tells_requests(settings, is_ours),
        slow_request=settings["log.slow_request"],
        slow_query=settings["log.slow_query"],
        id_header=settings.host.request_id,
        server_timing=site.development if timing == "auto" else timing,
        quiet=(LIVE.rpartition("/")[0] + "/",),
        errors=False,  # tickets tell of them
    )
