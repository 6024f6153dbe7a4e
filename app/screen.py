"""Whether there is a screen to show a window on. Qt aborts where there is none, so this is asked before Qt is touched."""

import os
import sys

NO_SCREEN = "There is no screen: neither DISPLAY nor WAYLAND_DISPLAY is set. Use the verbs (--help names them), or start under xvfb-run."


def has_screen() -> bool:
    """Whether a window can be shown at all."""
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))
