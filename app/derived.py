"""A derived value with its state: what the screens show while it is made, and why there is none."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from planner.refusal import Refusal

T_co = TypeVar("T_co", covariant=True)
State = Literal["missing", "running", "ready", "refused"]


@dataclass(frozen=True, eq=False)
class Derived(Generic[T_co]):
    """A derived value: missing, being made (share and what), ready, or refused with the sentence why."""

    state: State = "missing"
    key: Hashable = None
    value: T_co | None = None
    refusal: Refusal | None = None
    share: float = 0.0
    what: str = ""
