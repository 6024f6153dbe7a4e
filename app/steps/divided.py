"""What the Anatomy panel says of how the canal is divided: its wall by what it is made of, the epidural space by compartment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.session import Session
from app.steps.words import SIGNS
from viewer.divided import SPACE, WALL

if TYPE_CHECKING:
    from app.derived import Derived
    from app.walk import DividedSpace
    from planner.anatomy.compartments import Compartments
    from planner.anatomy.spine import Anatomy

_BELOW = {"canal": WALL, "sac": SPACE}
"""Under which structure each has its row."""


def divided_words(structure: str, session: Session) -> tuple[str, str, str] | None:
    """The row under a structure: its name, what its right end says, and what stands below it while it is shown. None: there is no row."""
    name, anatomy = _BELOW.get(structure), session.anatomy.value
    if name is None or anatomy is None or not len(anatomy.canal.centreline_mm):
        return None
    if name == SPACE and anatomy.structure("sac").provenance == "not checked":
        return None
    told, more = _wall_words(anatomy) if name == WALL else _space_words(anatomy, session.compartments)
    return name, told, more if name not in session.hidden else ""


def _wall_words(anatomy: Anatomy) -> tuple[str, str]:
    import numpy as np

    from planner.anatomy.bridges import bridges_of, kind_name

    counts = np.bincount(bridges_of(anatomy.canal).ravel())
    shares = {kind: round(100 * count / counts.sum()) for kind, count in enumerate(counts.tolist()) if count}
    words = [
        f"{kind_name(kind, anatomy.modality)} {share}\u00a0%" for kind, share in sorted(shares.items(), key=lambda one: -one[1]) if share
    ]
    return (words[0] if words else ""), f"{'; '.join(words)[0].upper()}{'; '.join(words)[1:]}." if words else ""


def _space_words(anatomy: Anatomy, derived: Derived[DividedSpace]) -> tuple[str, str]:
    from planner.anatomy.where import explained

    if derived.state == "refused":
        return "not divided", str(derived.refusal)
    if derived.state == "running":
        return f"dividing, {round(100 * derived.share)} %", ""
    known = explained(anatomy, SPACE)
    sure = f" {round(100 * known.confidence)} %" if known.confidence is not None else ""
    return f"{SIGNS[known.provenance]} {known.provenance}{sure}", volume_words(derived.value[0]) if derived.value is not None else ""


def volume_words(divided: Compartments) -> str:
    """`24 mL in the canal. T9-T10 to L5-S1, in mL: ventral 5.1, dorsal 8.2, ...`"""
    from planner.anatomy.compartments import COMPARTMENTS

    sums = {name: sum(one.volume_ml for one in divided.volumes if one.compartment == name) for name in COMPARTMENTS}
    words = ", ".join(f"{name} {held:.1f}" for name, held in sums.items())
    levels = list(dict.fromkeys(one.level for one in divided.volumes))
    where = f"{levels[0]} to {levels[-1]}, in mL" if len(levels) > 1 else "In mL"
    in_canal_ml = sum(held for name, held in sums.items() if not name.endswith("foramen"))
    return f"{in_canal_ml:.0f} mL in the canal. {where}: {words}. Foramina are counted to 15 mm beyond."
