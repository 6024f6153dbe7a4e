"""Where the program keeps what is its own: settings, the built example, recovery. One folder each, never beside the user's scans."""

from __future__ import annotations

import os
from pathlib import Path


def _home(kind: str) -> Path:
    """`DURAPLAN_HOME`, where it is set, holds everything: for tests and for shared machines."""
    own = os.environ.get("DURAPLAN_HOME")
    if own:
        return Path(own) / kind
    import platformdirs

    return Path(
        {"settings": platformdirs.user_config_dir, "cache": platformdirs.user_cache_dir, "state": platformdirs.user_state_dir}[kind](
            "duraplan"
        )
    )


def settings_file() -> Path:
    """What the user set: theme, window, recent files."""
    return _home("settings") / "settings.ini"


def nodes_file() -> Path:
    """The PACS nodes that the user entered, without passwords."""
    return _home("settings") / "pacs.json"


def received_folder() -> Path:
    """Studies that came from a PACS: cases refer to them here."""
    return _home("state") / "received"


def example_folder() -> Path:
    """Where the built-in example is kept once it was built."""
    return _home("cache") / "example"


def recovery_folder() -> Path:
    """Where the newest case of every running window is kept until it is saved or closed."""
    return _home("state") / "recovery"


def maps_folder() -> Path:
    """Label maps that programs of others drew for this one: a case that took one in refers to it here."""
    return _home("state") / "label-maps"


def log_file() -> Path:
    """What went wrong, without a word about patients."""
    return _home("state") / "duraplan.log"
