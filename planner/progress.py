"""How long work reports and stops: a callback that it calls often, and that may raise Cancelled."""

from collections.abc import Callable

Progress = Callable[[float, str], None]
"""Called with the share done, 0 to 1, and what is being done ("Reading slices"). May raise Cancelled."""


class Cancelled(Exception):  # noqa: N818 - the user's wish, not an error
    """Raised through a progress callback when the user no longer wants the work."""


def silent(share: float, what: str) -> None:
    """The progress of nobody."""


def part(progress: Progress, start: float, stop: float) -> Progress:
    """The progress callback of a step that takes the share `start` to `stop` of the whole."""
    return lambda share, what: progress(start + share * (stop - start), what)
