"""What goes wrong with what copies of a site share."""

from __future__ import annotations

from demijohn.errors import DemijohnError


class SharedDownError(DemijohnError):
    """What keeps the things that all copies of the site share did not answer."""

    def __init__(self, store: str, original_error: BaseException | str) -> None:
        super().__init__(f"What the site's copies share is in {store}, which is not answering: {original_error}")
        #: Where they are kept: `memcached`, `the database`.
        self.store = store
        #: What its client raised.
        self.original_error = original_error
        #: Whether the log has heard of it.
        self.told: bool = getattr(original_error, "told", False)


class SharedTooLargeError(DemijohnError, ValueError):
    """A value is larger than what may be shared."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"A value of {size} bytes is more than the site's copies can share, {limit} bytes. Keep it in a table."
        )
        #: Bytes of the value.
        self.size = size
        #: Bytes that are taken.
        self.limit = limit
