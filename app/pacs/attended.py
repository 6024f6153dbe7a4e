"""Waiting for a network without being held up by it: the wait can be left at any moment, and silence ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from planner.progress import Cancelled, Progress

T = TypeVar("T")

_LOOK_S = 0.1  # how often the waiting thread reports, and may be stopped
_GRACE_S = 1.0  # what is told to stop has this long; a thread that hangs in the system is left to its own time-out


@dataclass(frozen=True)
class Limits:
    """Time-outs in seconds. connect: until the server takes the call. answer: until it agrees to talk, and hangs up. silence: without a
    single byte from it, at any later moment; an archive that fetches a tape takes its time."""

    connect_s: float = 10.0
    answer_s: float = 15.0
    silence_s: float = 120.0


LIMITS = Limits()


def attended(work: Callable[[Progress], T], progress: Progress, stop: Callable[[], None], watch: Callable[[], None]) -> T:
    """The value of `work(report)`, which talks to a network on a thread of its own while this one reports and listens for Cancel.

    progress: called here, ten times a second, with what `report` was told last. watch: called as often; raises what ends the wait (a
    Refusal for silence). stop: breaks the conversation off, when either raises. Raises what they raise, and what `work` raises.
    """
    told: list[tuple[float, str]] = [(0.0, "Connecting")]
    value: list[T] = []
    failure: list[BaseException] = []
    left = threading.Event()

    def report(share: float, what: str) -> None:
        if left.is_set():
            raise Cancelled
        told[0] = (share, what)

    def run() -> None:
        try:
            value.append(work(report))
        except BaseException as error:  # raised again where it is waited for
            failure.append(error)

    thread = threading.Thread(target=run, name="pacs", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_LOOK_S)
            progress(*told[0])
            if thread.is_alive():
                watch()
    except BaseException:
        left.set()
        stop()
        thread.join(_GRACE_S)
        raise
    if failure:
        raise failure[0]
    return value[0]
