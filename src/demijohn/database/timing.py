"""How long each statement takes, told to whoever wants to know. Where nobody does, nothing of this is imported."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import sqlalchemy
from sqlalchemy import event

#: Told of a statement, without its values, and of the seconds that it took.
Tell = Callable[[str, float], None]


def time_statements(engine: sqlalchemy.Engine, tell: Tell) -> None:
    """Have `tell` called after each statement, also after one that has failed: one that waited for a lock until the
    database lost patience is the slowest of all."""

    @event.listens_for(engine, "before_cursor_execute")
    def begin(_connection: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:
        context.demijohn_began = perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def end(_connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        tell(statement, perf_counter() - context.demijohn_began)

    @event.listens_for(engine, "handle_error")
    def fail(error: Any) -> None:
        began = getattr(error.execution_context, "demijohn_began", None)
        if began is not None and error.statement is not None:
            tell(error.statement, perf_counter() - began)
