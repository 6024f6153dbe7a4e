"""Views of the planner's values: slices, space, pictures for paper."""

import ctypes
import sys

if sys.version_info < (3, 12):
    # PySide6 6.12 is built for an immortal None: on Python 3.11 each of its calls that return nothing takes one reference to None
    # too many away, and the program aborts ("deallocating None") after some hundred paints. 6.11 does not; this makes both safe.
    ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40
