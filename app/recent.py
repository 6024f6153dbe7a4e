"""Settings that the program keeps between two starts: the theme, the window's place, what was opened last."""

from __future__ import annotations

from PySide6.QtCore import QSettings

from app.places import settings_file
from viewer.theme import THEMES, ThemeName

_MOST = 5


def settings() -> QSettings:
    """The settings file. Making it costs under a millisecond; nobody keeps it."""
    path = settings_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    return QSettings(str(path), QSettings.Format.IniFormat)


def kept_theme() -> ThemeName:
    """The theme that was worn last; the projector's is for one lecture only."""
    kept = settings().value("theme")
    return kept if kept in THEMES and kept != "projector" else "dark"


def recent() -> list[str]:
    """Paths that were opened, newest first."""
    value = settings().value("recent")
    if isinstance(value, str):
        return [value] if value else []
    return [str(path) for path in value] if isinstance(value, list) else []


def remember(path: str) -> None:
    """Put a path at the head of the list."""
    settings().setValue("recent", [path, *(one for one in recent() if one != path)][:_MOST])
