"""Windows and foramina by hand: those that are added, and those whose bone was changed after they were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from planner.anatomy import labels as codes
from planner.anatomy.by_hand.edits import AddedForamen, AddedWindow, Edit, Grow, Point, Smooth, Stroke, places_of, structure_of
from planner.anatomy.spine import Anatomy, Foramen, Window

_NEAR_OPENING_MM = 12.0  # bone that bounds an opening lies within this of its middle
_UNMEASURED = 0.3  # confidence in the size of an opening whose bone was changed since


def with_unmeasured(now: Anatomy, before: Anatomy, edits: Sequence[Edit]) -> tuple[Anatomy, dict[str, list[str]]]:
    """Openings that were measured on bone or canal which a hand has changed since are unsure: the anatomy with their low confidence, and
    their levels, under `windows` and `foramina`. An opening that a hand has put there is as it was put."""
    shaped = [edit for edit in edits if structure_of(edit) in ("bone", "canal")]
    places = np.array([at for edit in shaped for at in places_of(edit)]).reshape(-1, 3)
    whole = any(isinstance(edit, Grow | Smooth) for edit in shaped)
    reach_mm = max([_NEAR_OPENING_MM, *(_NEAR_OPENING_MM + edit.radius_mm for edit in shaped if isinstance(edit, Stroke))])

    def unsure(centre_mm: Point) -> bool:
        return whole or bool(len(places) and np.linalg.norm(places - centre_mm, axis=1).min() < reach_mm)

    found = {one.centre_mm for one in before.windows} | {one.centre_mm for one in before.foramina}
    doubted = {centre_mm for centre_mm in found if unsure(centre_mm)}
    made = {
        "windows": [one.level for one in now.windows if one.centre_mm in doubted],
        "foramina": [f"{one.level} {one.side}" for one in now.foramina if one.centre_mm in doubted],
    }
    windows = (replace(one, confidence=min(one.confidence, _UNMEASURED)) if one.centre_mm in doubted else one for one in now.windows)
    foramina = (replace(one, confidence=min(one.confidence, _UNMEASURED)) if one.centre_mm in doubted else one for one in now.foramina)
    return replace(now, windows=tuple(windows), foramina=tuple(foramina)), {name: where for name, where in made.items() if where}


def with_window(now: Anatomy, edit: AddedWindow) -> tuple[Window, ...]:
    """The windows with one that a hand has put there, in place of that of its level."""
    pair = now.disc_space(edit.centre_mm)
    assert pair is not None
    made = Window(pair, edit.centre_mm, edit.height_mm, edit.width_mm, edit.tilt_deg, 1.0)
    return tuple(sorted([*(w for w in now.windows if w.between != pair), made], key=lambda w: codes.rank(w.between[0])))


def with_foramen(now: Anatomy, edit: AddedForamen) -> tuple[Foramen, ...]:
    """The foramina with one that a hand has put there, in place of that of its level and side."""
    pair, canal = now.disc_space(edit.centre_mm), now.canal
    assert pair is not None
    at = canal.nearest(edit.centre_mm)
    out = np.subtract(edit.centre_mm, canal.centreline_mm[at])
    left = bool(out @ canal.left[at] > 0)
    x, y, z = (float(value) for value in (canal.left[at] if left else -canal.left[at]))
    made = Foramen(pair, "left" if left else "right", edit.centre_mm, (x, y, z), edit.height_mm, edit.width_mm, 1.0)
    others = [f for f in now.foramina if (f.between, f.side) != (made.between, made.side)]
    return tuple(sorted([*others, made], key=lambda f: codes.rank(f.between[0])))
