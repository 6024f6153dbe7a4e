"""The names of structures and their codes in Duraplan's label maps (contract: anatomy --out)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

ALL_LEVELS = tuple(f"{region}{n}" for region, count in (("C", 7), ("T", 13), ("L", 6), ("S", 5)) for n in range(1, count + 1))
"""Every name that a vertebra can have, from head to foot; no spine needs all of them."""


@dataclass(frozen=True)
class Numbering:
    """How many vertebrae bear ribs, and how many lie between those and the sacrum: what is counted otherwise in one of ten people.

    A thirteenth with ribs is T13; a sixth lumbar, which is a lumbarised S1 counted from above, is L6; with four lumbar L5 is sacralised.
    """

    thoracic: Literal[11, 12, 13] = 12
    lumbar: Literal[4, 5, 6] = 5

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The vertebrae from head to foot."""
        most = {"T": self.thoracic, "L": self.lumbar}
        return tuple(name for name in ALL_LEVELS if int(name[1:]) <= most.get(name[0], 7))

    def with_name(self, name: str) -> Numbering:
        """The nearest one in which a vertebra has this name."""
        if name in self.names:
            return self
        thoracic = 13 if name == "T13" else 12 if name == "T12" else self.thoracic
        lumbar = 6 if name == "L6" else 5 if name == "L5" else self.lumbar
        return Numbering(thoracic, lumbar)

    @property
    def words(self) -> str:
        """What of it is not as usual: `13 thoracic and 6 lumbar vertebrae`; empty where nothing is."""
        said = [f"{self.thoracic} thoracic"] * (self.thoracic != 12) + [f"{self.lumbar} lumbar"] * (self.lumbar != 5)
        return f"{' and '.join(said)} vertebrae" if said else ""


USUAL = Numbering()
LEVELS = USUAL.names
"""Vertebrae from head to foot in nine of ten people."""


_RANKS = {name: float(at) for at, name in enumerate(LEVELS)} | {"T13": LEVELS.index("L1") - 0.5, "L6": LEVELS.index("S1") - 0.5}


def rank(level: str) -> float:
    """The place of a name from head to foot, to order by: T13 half way between T12 and L1, L6 between L5 and S1."""
    return _RANKS[level]


def numbering_of(levels: Iterable[str]) -> Numbering:
    """The numbering that neighbouring vertebrae tell by their names, head to foot; what they do not show is as usual."""
    names = tuple(levels)
    pairs = set(itertools.pairwise(names))
    thoracic: Literal[11, 12, 13] = 13 if "T13" in names else 11 if ("T11", "L1") in pairs else 12
    return Numbering(thoracic, 6 if "L6" in names else 4 if ("L4", "S1") in pairs else 5)


def are_neighbours(upper: str, lower: str) -> bool:
    """Whether one vertebra can lie right above another: T12 above L1, and above T13."""
    return (upper, lower) in _DISCS

SOFT_TISSUE, BONE_OTHER, EPIDURAL_SPACE, THECAL_SAC, SPINAL_CORD, NERVE_ROOT, GANGLION, LIGAMENTUM_FLAVUM = range(1, 9)
CONTRAST_OUTSIDE, LUNG, BOWEL_GAS, KIDNEY, AORTA, VENA_CAVA, VERTEBRAL_ARTERY = range(9, 16)
_VERTEBRAE = {level: 40 + n for n, level in enumerate(LEVELS)} | {"T13": 69, "L6": 70}
_USUAL_DISCS = {pair: 80 + n for n, pair in enumerate(itertools.pairwise(LEVELS))}
_DISCS = _USUAL_DISCS | {
    ("T12", "T13"): 110, ("T13", "L1"): 111, ("L5", "L6"): 112, ("L6", "S1"): 113, ("L4", "S1"): 114, ("T11", "L1"): 115,
}  # fmt: skip

_NAMES = {
    SOFT_TISSUE: "soft tissue",
    BONE_OTHER: "bone other",
    EPIDURAL_SPACE: "epidural space",
    THECAL_SAC: "thecal sac",
    SPINAL_CORD: "spinal cord",
    NERVE_ROOT: "nerve root",
    GANGLION: "ganglion",
    LIGAMENTUM_FLAVUM: "ligamentum flavum",
    CONTRAST_OUTSIDE: "contrast outside the sac",
    LUNG: "lung",
    BOWEL_GAS: "bowel gas",
    KIDNEY: "kidney",
    AORTA: "aorta",
    VENA_CAVA: "vena cava",
    VERTEBRAL_ARTERY: "vertebral artery",
}

CANAL = (EPIDURAL_SPACE, THECAL_SAC, SPINAL_CORD)
"""Codes that together are the canal."""


def below(level: str, steps: int = 1) -> str | None:
    """The vertebra `steps` below (above when negative) in the usual numbering, or None beyond C1 and S5."""
    at = LEVELS.index(level) + steps
    return LEVELS[at] if 0 <= at < len(LEVELS) else None


def vertebra(level: str) -> int:
    """Code of a vertebra by its name."""
    return _VERTEBRAE[level]


def disc(upper: str, lower: str | None = None) -> int:
    """Code of the disc between two neighbouring vertebrae; lower: the usual one where none is given."""
    return _DISCS[upper, lower or below(upper) or ""]


VERTEBRAE = tuple(_VERTEBRAE.values())
BONE = (BONE_OTHER, *VERTEBRAE)
"""Codes that are bone."""

DISCS = tuple(_DISCS.values())
STRUCTURES = {
    "bone": BONE,
    "discs": DISCS,
    "canal": CANAL,
    "sac": (THECAL_SAC, SPINAL_CORD),
    "cord": (SPINAL_CORD,),
    "roots": (NERVE_ROOT, GANGLION),
    "ligamentum flavum": (LIGAMENTUM_FLAVUM,),
    "contrast outside": (CONTRAST_OUTSIDE,),
    "skin": tuple(range(1, 256)),
    "lung": (LUNG,),
    "bowel gas": (BOWEL_GAS,),
    "kidney": (KIDNEY,),
    "aorta": (AORTA,),
    "vena cava": (VENA_CAVA,),
    "vertebral artery": (VERTEBRAL_ARTERY,),
}
"""Structures of the anatomy with the codes whose voxels are theirs."""


_NAMES |= {code: f"vertebra {level}" for level, code in _VERTEBRAE.items()}
_NAMES |= {code: f"disc {upper}-{lower}" for (upper, lower), code in _DISCS.items()}


def name(code: int) -> str:
    """The contract's name of a code: `vertebra L4`, `disc L4-L5`, `thecal sac`, ..."""
    return _NAMES[code]
