"""Views of the planner's values: slices, space, pictures for paper."""

import ctypes
import sys

if sys.version_info < (3, 12):
    # PySide6 6.12 is built for immortal constants: on Python 3.11 each of its calls that return nothing or a truth value takes one
    # reference too many away, and the program aborts ("deallocating None") after some hundred paints. 6.11 does not.
    for _constant in (None, True, False, NotImplemented):
        ctypes.c_ssize_t.from_address(id(_constant)).value += 1 << 40
