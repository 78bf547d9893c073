"""The settings of the log."""

from __future__ import annotations

from demijohn.config import kinds
from demijohn.config.kinds import one_of
from demijohn.config.option import Option

LOGS: tuple[Option, ...] = (
    Option("log.level", one_of("debug", "info", "warning", "error", "critical"), "info", "What is less is not logged."),
    Option(
        "log.format",
        one_of("auto", "json", "google", "short", "text"),
        "auto",
        "How a line is worded. auto: text in development, else as the host reads it best.",
    ),
    Option(
        "log.requests",
        kinds.BOOLEAN_OR_AUTO,
        "auto",
        "A line for each request. auto: in development, and where the host's own front end does not log them.",
    ),
    Option(
        "log.slow_request",
        kinds.MILLISECONDS_OR_OFF,
        1000,
        "A request that takes longer is logged as a warning; off: none is.",
        "milliseconds",
    ),
    Option(
        "log.slow_query",
        kinds.MILLISECONDS_OR_OFF,
        500,
        "The same for a query of the database.",
        "milliseconds",
    ),
    Option(
        "log.server_timing",
        kinds.BOOLEAN_OR_AUTO,
        "auto",
        "Tell the browser's developer tools where the time went. auto: in development.",
    ),
)
