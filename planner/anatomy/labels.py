"""The names of structures and their codes in Duraplan's label maps (contract: anatomy --out)."""

from __future__ import annotations

LEVELS = tuple(
    [f"C{n}" for n in range(1, 8)] + [f"T{n}" for n in range(1, 13)] + [f"L{n}" for n in range(1, 6)] + [f"S{n}" for n in range(1, 6)]
)
"""Vertebrae from head to foot."""

SOFT_TISSUE, BONE_OTHER, EPIDURAL_SPACE, THECAL_SAC, SPINAL_CORD, NERVE_ROOT, GANGLION, LIGAMENTUM_FLAVUM = range(1, 9)
CONTRAST_OUTSIDE, LUNG, BOWEL_GAS, KIDNEY, AORTA, VENA_CAVA, VERTEBRAL_ARTERY = range(9, 16)
_FIRST_VERTEBRA, _FIRST_DISC = 40, 80

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
    """The vertebra `steps` below (above when negative), or None beyond C1 and S5."""
    at = LEVELS.index(level) + steps
    return LEVELS[at] if 0 <= at < len(LEVELS) else None


def vertebra(level: str) -> int:
    """Code of a vertebra by its name."""
    return _FIRST_VERTEBRA + LEVELS.index(level)


def disc(upper: str) -> int:
    """Code of the disc under the vertebra of this name."""
    return _FIRST_DISC + LEVELS.index(upper)


VERTEBRAE = tuple(vertebra(level) for level in LEVELS)
BONE = (BONE_OTHER, *VERTEBRAE)
"""Codes that are bone."""

DISCS = tuple(disc(level) for level in LEVELS[:-1])
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


def name(code: int) -> str:
    """The contract's name of a code: `vertebra L4`, `disc L4-L5`, `thecal sac`, ..."""
    if code in _NAMES:
        return _NAMES[code]
    if code in VERTEBRAE:
        return f"vertebra {LEVELS[code - _FIRST_VERTEBRA]}"
    upper = LEVELS[code - _FIRST_DISC]
    return f"disc {upper}-{below(upper)}"
