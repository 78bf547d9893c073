"""What the settings say of the log. gunicorn's first process asks here, too, and has no Bottle."""

from __future__ import annotations

from demijohn.config import Config
from demijohn.logs.output import Output, make_output
from demijohn.secrecy import of_environment, of_settings
from demijohn.secrecy.hiding import Secrets


def output_of(settings: Config) -> Output:
    """The output in the words that the settings, or else the host, ask for, with the site's secrets, and those of its
    environment, hidden."""
    words = settings["log.format"]
    if words == "auto":
        words = "text" if settings["environment"] == "development" else settings.host.log
    return make_output(words, Secrets(lambda: [*of_settings(settings), *of_environment()]))


def tells_requests(settings: Config, is_ours: bool = True) -> bool:
    """Whether the site has a line for each request.

    :param is_ours: whether the site says where its lines go. Who says so for himself asks for these in development.
    """
    asked = settings["log.requests"]
    if asked != "auto":
        return bool(asked)
    return is_ours if settings["environment"] == "development" else settings.host.access_log
