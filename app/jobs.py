"""Where long work runs: the only threads of the program. Work reports, stops when asked, and is dropped when it comes too late."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Signal

from planner.progress import Cancelled, Progress
from planner.refusal import Refusal

log = logging.getLogger(__name__)
T = TypeVar("T")

_REPORT_EVERY_S = 0.05
_TURN_S = 0.001  # how long work holds the interpreter before the window gets its turn; painting asks for many turns


@dataclass(frozen=True)
class Outcome:
    """How a job ended: with a value, a refusal, or an error that is a bug. A cancelled job has no outcome."""

    value: Any = None
    refusal: Refusal | None = None
    error: BaseException | None = None


class Jobs(QObject):
    """Runs work on threads, at most one job of each kind: a newer one cancels the older, whose result is dropped.

    Every callback comes in the thread of the window.
    """

    progressed = Signal(str, float, str)  # kind, share, what
    ended = Signal(str)
    _delivered = Signal(str, int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        # one core stays with the window
        sys.setswitchinterval(_TURN_S)
        self._pool = ThreadPoolExecutor(max(1, (os.cpu_count() or 2) - 1), thread_name_prefix="duraplan")
        self._waiting = ThreadPoolExecutor(1, thread_name_prefix="duraplan-waiting")
        self._running: dict[str, tuple[int, threading.Event, Callable[[Outcome], None]]] = {}
        self._count = 0
        self._delivered.connect(self._deliver)

    def start(self, kind: str, work: Callable[[Progress], T], done: Callable[[Outcome], None], elsewhere: bool = False) -> None:
        """Run `work(progress)` on a thread and hand its outcome to `done`, unless a newer job of the kind was started meanwhile.

        elsewhere: another process does the work, for minutes; it is waited for beside the jobs of this one.
        """
        self.cancel(kind)
        self._count += 1
        number, stop = self._count, threading.Event()
        self._running[kind] = (number, stop, done)
        (self._waiting if elsewhere else self._pool).submit(self._run, kind, number, stop, work)

    def cancel(self, kind: str) -> None:
        """Ask the job of a kind to stop; its result is dropped whatever it does."""
        found = self._running.pop(kind, None)
        if found:
            found[1].set()
            self.ended.emit(kind)

    def is_running(self, kind: str) -> bool:
        """Whether a job of this kind is waiting or running."""
        return kind in self._running

    def close(self) -> None:
        """Cancel everything and wait for the threads."""
        for kind in list(self._running):
            self.cancel(kind)
        for pool in (self._pool, self._waiting):
            pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, kind: str, number: int, stop: threading.Event, work: Callable[[Progress], Any]) -> None:
        last = 0.0

        def progress(share: float, what: str) -> None:
            nonlocal last
            if stop.is_set():
                raise Cancelled
            now = monotonic()
            if now - last >= _REPORT_EVERY_S:
                last = now
                self.progressed.emit(kind, float(share), what)

        try:
            if stop.is_set():
                return
            outcome = Outcome(value=work(progress))
        except Cancelled:
            return
        except Refusal as refusal:
            outcome = Outcome(refusal=refusal)
        except BaseException as error:
            log.error("%s failed: %s", kind, type(error).__name__, exc_info=error)
            outcome = Outcome(error=error)
        if not stop.is_set():
            self._delivered.emit(kind, number, outcome)

    def _deliver(self, kind: str, number: int, outcome: Outcome) -> None:
        running = self._running.get(kind)
        if running is None or running[0] != number:
            return
        del self._running[kind]
        self.ended.emit(kind)
        running[2](outcome)
