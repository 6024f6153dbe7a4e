"""Sleeves of roots on a myelogram: a diverticulum is offered as a place that may leak, an ordinary sleeve is not."""

from __future__ import annotations

import importlib
from dataclasses import replace
from functools import cache
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from planner.anatomy import Anatomy, Anchor, LeakHint, find
from planner.anatomy.outside import contrast_structure, hint_words
from planner.anatomy.sleeves import Sleeve, sleeve_hints, wide_sleeves
from planner.anatomy.spine import Root
from planner.evidence import number
from planner.geometry import Frame
from planner.phantom import Phantom, PhantomParameters, build

FINE = Frame.axial((10, 10, 10), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


@cache
def pouched() -> tuple[Phantom, Anatomy]:
    """A myelogram with a pouch on the left L2 sleeve that does not leak, and its anatomy with L3 named."""
    leaks = importlib.import_module("planner.phantom.leaks")
    paint = leaks.paint_soft

    def without_fluid(canvas: Any, parts: Any, value: float, label: int, keep: Any) -> None:
        if label == contrast:
            return
        paint(canvas, parts, value, label, keep)

    contrast = next(code for code, name in _names().items() if name == "contrast outside the sac")
    with patch.object(leaks, "paint_soft", without_fluid):
        one = build(PhantomParameters(modality="myelogram", leak="sleeve", spacing_mm=(1.3,) * 3, seed=2))
    centre = next(level.centre for level in one.truth.levels if level.name == "L3")
    return one, find(one.volume, Anchor("L3", centre, "user"))


@cache
def _names() -> dict[int, str]:
    return build(PhantomParameters(modality="myelogram", leak="sleeve", spacing_mm=(3.0,) * 3, seed=2)).label_names


def test_a_pouch_on_a_sleeve_is_offered_and_no_other_sleeve_is() -> None:
    one, mine = pouched()
    (hint,) = mine.leak_hints
    assert (hint.why, hint.side, hint.place) == ("wide sleeve", "left", "foramen")
    assert np.linalg.norm(np.subtract(hint.position_mm, one.truth.leaks[0].position)) < 7.0
    assert 0.1 < hint.volume_ml < 0.6  # a ball of 3.4 mm and the sleeve it lies on


def test_its_words_say_why_and_claim_no_leak() -> None:
    _, mine = pouched()
    words = hint_words(mine.canal, mine.levels, mine.leak_hints[0])
    assert words.startswith("The left root's sleeve at L2-L3 is far wider than its neighbours")
    known = mine.structure("contrast outside").problem or ""
    assert "None was seen" in known and words in known
    assert contrast_structure(True, True, mine.canal, mine.levels, ()).problem == known.removesuffix(f" {words}")


def sleeve(level: str, side: str, width_mm: float, fluid_ml: float = 0.05) -> Sleeve:
    root = Root(level, "left" if side == "left" else "right", np.zeros((3, 3)), np.full(3, 2.0), slice(1, 2))
    return Sleeve(root, width_mm, (0.0, 0.0, 0.0), fluid_ml, 0.2)


def usual(*wide: Sleeve) -> tuple[Sleeve, ...]:
    held = {(one.root.level, one.root.side) for one in wide}
    pairs = [(level, side) for level in ("L1", "L2", "L3", "L4") for side in ("left", "right")]
    return (*wide, *(sleeve(level, side, 2.8) for level, side in pairs if (level, side) not in held))


def test_a_sleeve_is_judged_by_its_neighbours() -> None:
    pouch = sleeve("L2", "left", 6.0)
    assert wide_sleeves(usual(pouch), FINE) == (pouch,)
    assert wide_sleeves(usual(), FINE) == ()
    assert wide_sleeves(tuple(sleeve(level, "left", 6.0) for level in ("L1", "L2", "L3", "L4")), FINE) == ()  # a wide habit


@pytest.mark.parametrize(
    "other", [sleeve("L2", "left", 4.5), sleeve("L2", "left", 6.0, fluid_ml=0.01), replace(sleeve("L2", "left", 6.0), filled=0.3)]
)
def test_a_thin_one_a_film_around_a_root_and_marrow_are_no_pouch(other: Sleeve) -> None:
    assert wide_sleeves(usual(other), FINE) == ()


def test_a_root_that_was_seen_is_surer_than_one_that_is_modelled() -> None:
    modelled = sleeve("L2", "left", 3.0).root
    assert replace(modelled, provenance="found").uncertainty_mm < modelled.uncertainty_mm
    assert modelled.uncertainty_mm == number("needles.root_uncertainty_modelled_mm")


def test_without_neighbours_and_in_thick_slices_nothing_is_said() -> None:
    pouch = sleeve("L2", "left", 6.0)
    assert wide_sleeves((pouch, sleeve("L3", "left", 2.8)), FINE) == ()
    assert wide_sleeves(usual(pouch), Frame.axial((10, 10, 10), (3.0, 1.0, 1.0), (0.0, 0.0, 0.0))) == ()


def test_a_pouch_becomes_a_hint_of_a_place_not_of_leaked_contrast() -> None:
    _, mine = pouched()
    x, y, z = (float(value) for value in mine.canal.centreline_mm[150])
    found = replace(sleeve("L2", "left", 6.0), position_mm=(x + 20.0, y, z))
    (hint,) = sleeve_hints((found,), mine.canal, ())
    assert isinstance(hint, LeakHint) and hint.why == "wide sleeve" and hint.head_mm == hint.foot_mm
    assert sleeve_hints((found,), mine.canal, (replace(hint, why="contrast outside"),)) == ()  # what has leaked there says more
