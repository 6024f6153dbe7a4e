"""What is slow to import or to compile, behind the first paint: call `warm_slices` and `warm_spatial` in a background thread.

A view that is asked to paint while the warming runs shows its name and comes back; where nobody warms, it waits for the import itself.
"""

from __future__ import annotations

import gc
import importlib
from threading import Event

_started, _slices_ready, _spatial_ready = Event(), Event(), Event()


def warm_slices() -> None:
    """Load numba and the kernels of the slice views, about a second (longer on the very first start, when they are compiled)."""
    _started.set()
    try:
        from viewer import grey

        grey.warm()
    finally:
        _slices_ready.set()


def warm_spatial() -> None:
    """Load the VTK modules of the 3D view, about half a second."""
    _started.set()
    try:
        importlib.import_module("viewer.stage")
    finally:
        _spatial_ready.set()


def warm() -> None:
    """Both, the slices first; what the libraries bring is left out of every later search for garbage.

    Such a search goes through all that was imported and stops every thread, up to 0.2 s on two cores that others load too; while a
    library registers itself it finds nothing to free.
    """
    first = not gc.get_freeze_count()  # what is alive now stays for good: once is enough
    gc.disable()
    try:
        warm_slices()
        warm_spatial()
    finally:
        if first:
            gc.freeze()
        gc.enable()


def ready() -> bool:
    """Whether a slice can be painted now without a wait that somebody else is already taking."""
    return _slices_ready.is_set() or not _started.is_set()


def spatial_ready() -> bool:
    """The same for the 3D view."""
    return _spatial_ready.is_set() or not _started.is_set()
