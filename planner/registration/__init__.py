"""A second scan of the same patient laid on the planning scan: rigid, by mutual information round the spine, each level checked."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from planner.registration.patients import patient_doubts, patient_known
from planner.registration.placed import LevelError, Registration, Rigid

if TYPE_CHECKING:
    from planner.registration.laying import measured, register

__all__ = ["LevelError", "Registration", "Rigid", "measured", "patient_doubts", "patient_known", "register"]


def __getattr__(name: str) -> Any:
    """SimpleITK and the kernels are slow to import: whoever only holds the values does not wait for them."""
    if name in ("measured", "register"):
        return getattr(import_module("planner.registration.laying"), name)
    raise AttributeError(name)
