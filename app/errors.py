"""What is a bug: it is logged without a word about patients, the case is kept, and the window lives on."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

from app.places import log_file

log = logging.getLogger("duraplan")

_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}


class _NoPatients(logging.Formatter):
    """Places in the code and kinds of errors only: messages of exceptions, paths and values may carry what identifies a person."""

    def format(self, record: logging.LogRecord) -> str:
        words = record.getMessage() if not record.args and record.name.startswith("duraplan") else f"in {record.module}.{record.funcName}"
        line = f"{self.formatTime(record)} {record.levelname} {record.name}: {words}"
        return f"{line}\n{bare(record.exc_info[1])}" if record.exc_info and record.exc_info[1] is not None else line


def bare(error: BaseException) -> str:
    """An error as its kind and the lines of the program that it went through, without its message."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"  {Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames]
    return "\n".join([*lines, f"  {type(error).__name__}"])


def start_log() -> logging.Handler:
    """Write the log to its file; returns the handler, for `stop_log`."""
    path = log_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = RotatingFileHandler(path, maxBytes=500_000, backupCount=1, encoding="utf-8", delay=True)
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(_NoPatients())
    handler.setLevel(logging.WARNING)
    logging.getLogger().addHandler(handler)
    return handler


def catch(tell: Callable[[BaseException], None]) -> Callable[[], None]:
    """Catch what nobody caught, in slots and in Qt itself; `tell` shows it. Returns what puts everything back."""
    before = sys.excepthook

    def caught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            before(kind, error, trace)
            return
        log.error("An error that nobody caught", exc_info=(kind, error, trace))
        before(kind, error, trace)
        tell(error)

    sys.excepthook = caught
    qt_before = qInstallMessageHandler(_qt_said)

    def restore() -> None:
        sys.excepthook = before
        qInstallMessageHandler(qt_before)

    return restore


def _qt_said(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    # Qt's own words name files at times: only where they come from is kept
    log.log(_LEVELS.get(kind, logging.WARNING), f"Qt {context.category or 'default'} {context.function or ''}".strip())
    if kind != QtMsgType.QtDebugMsg:
        print(message, file=sys.stderr)


def stop_log(handler: logging.Handler) -> None:
    """Close the log."""
    logging.getLogger().removeHandler(handler)
    handler.close()
