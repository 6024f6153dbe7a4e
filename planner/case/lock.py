"""One program a case: a lock file beside the case file, with the process and the machine that hold it."""

from __future__ import annotations

import json
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from planner.refusal import Refusal


@dataclass(frozen=True)
class Holder:
    """Who holds a lock. started: when the process began as the system counts it, so that a process id used again is not taken for it."""

    process: int
    machine: str
    started: str

    @classmethod
    def this(cls) -> Holder:
        """This process."""
        return cls(os.getpid(), socket.gethostname(), _started(os.getpid()))

    @property
    def is_gone(self) -> bool:
        """True where this machine knows that the process has ended; a process of another machine counts as there."""
        if self.machine != socket.gethostname():
            return False
        return not _is_running(self.process) or (self.started != "" and self.started != _started(self.process))


class Lock:
    """The lock of a case, held until `release` or the end of a `with` block."""

    def __init__(self, path: Path, holder: Holder | None) -> None:
        self.path = path
        self._holder = holder

    @property
    def held(self) -> bool:
        """False where the folder cannot be written to: then nobody can save there, and nobody needs a lock."""
        return self._holder is not None

    def release(self) -> None:
        """Let the case go."""
        if self._holder is not None and _holder(self.path) == self._holder:
            self.path.unlink(missing_ok=True)
        self._holder = None

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def lock_path(case_path: Path) -> Path:
    """Where the lock of a case file lies."""
    return case_path.with_name(f".{case_path.name}.lock")


def lock_case(case_path: Path) -> Lock:
    """Take the lock of a case file. Refuses while another program has the case open; what a killed program left behind is taken over."""
    path, holder = lock_path(case_path), Holder.this()
    content = json.dumps({"process": holder.process, "machine": holder.machine, "started": holder.started}).encode()
    for _ in range(3):
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            other = _holder(path)
            if other is not None and not other.is_gone:
                raise Refusal(
                    f"The case file {case_path.name} is open in another Duraplan (process {other.process} on {other.machine}).",
                    f"Close it there, or save under another name. If no such program runs, delete {path.name}.",
                ) from None
            path.unlink(missing_ok=True)
            continue
        except OSError:
            return Lock(path, None)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        return Lock(path, holder)
    raise Refusal(f"The case file {case_path.name} is being opened by another Duraplan.", "Try again.")


def _holder(path: Path) -> Holder | None:
    try:
        content = json.loads(path.read_text("utf-8"))
        return Holder(int(content["process"]), str(content["machine"]), str(content["started"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_running(process: int) -> bool:
    if sys.platform == "win32":
        import ctypes

        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, process)  # PROCESS_QUERY_LIMITED_INFORMATION; os.kill would end it
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _started(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):  # a system without /proc
        return ""
