"""Where a structure is weak or missing is said by level and side, on a tube whose every place is known."""

from dataclasses import replace

import numpy as np

from planner.anatomy.spine import ANGLES, Anatomy, Conus, Foramen, Root, SacSections, Side, Structure, Window
from planner.anatomy.where import explained, sac_words_at
from planner.exchange.anatomy_files import structures_content
from tests.planner.anatomy.test_bridges import tube

SIDES: tuple[Side, Side] = ("left", "right")


def foramen(upper: str, lower: str, side: Side) -> Foramen:
    return Foramen((upper, lower), side, (0.0, 0.0, 0.0), (1.0, 0.0, 0.0), 18.0, 9.0, 0.8)


def root(side: Side) -> Root:
    return Root("L1", side, np.zeros((3, 3)), np.ones(3), slice(1, 2))


def spine(modality: str = "MR") -> Anatomy:
    """L1 to L3 at 10, 50 and 90 mm; the canal is unsure from 45 to 55 mm, the sac unseen from 80 mm on, the cord from 20 to 30 mm."""
    base = tube()
    n = len(base.canal.centreline_mm)
    s = np.arange(n)
    cord = np.where(s < 30, 4.0, 0.0)
    sac = SacSections(
        np.full((n, ANGLES), 8.0),
        np.tile((s < 80)[:, None], (1, ANGLES)),
        np.tile(cord[:, None], (1, ANGLES)),
        s < 20,
        Conus(30.0, "found"),
    )
    found = {name: Structure("found", 0.7) for name in ("canal", "sac", "cord", "foramina", "roots", "windows")}
    return replace(
        base,
        modality=modality,
        canal=replace(base.canal, confidence=np.where((s >= 45) & (s <= 55), 0.3, 0.9)),
        sac=sac,
        structures=found,
        foramina=(foramen("L1", "L2", "left"), foramen("L1", "L2", "right"), foramen("L2", "L3", "left")),
        roots=tuple(root(one) for one in SIDES) + (replace(root("left"), level="L2"),),
        windows=(Window(("L1", "L2"), (0.0, 0.0, 0.0), 9.0, 12.0, 0.0, 0.8), Window(("L2", "L3"), (0.0, 0.0, 0.0), 9.0, 12.0, 0.0, 0.2)),
    )


def test_each_says_where() -> None:
    told = {name: explained(spine(), name).problem for name in ("canal", "sac", "cord", "foramina", "roots", "windows")}
    assert told == {
        "canal": "Uncertain at L2.",
        "sac": "Mostly modelled at L3.",
        "cord": "Modelled at L1-L2.",
        "foramina": "Not found, or outside the scan: L2-L3 right.",
        "roots": "None where no foramen was found: L2 right.",
        "windows": "Uncertain: L2-L3.",
    }


def test_what_was_said_before_stays_in_front_and_nothing_is_said_twice() -> None:
    known = spine("CT")
    said = replace(
        known, structures={**known.structures, "canal": Structure("found", 0.7, "Uncertain at L2."), "skin": Structure("found", 0.9)}
    )
    assert explained(said, "canal").problem == "Uncertain at L2."  # in CT that is said where the canal is found
    assert explained(said, "skin").problem is None
    assert explained(said, "lung").provenance == "not checked"
    foramina = replace(said, structures={"foramina": Structure("found", 0.7, "Uncertain: L1-L2 left.")})
    assert explained(foramina, "foramina").problem == "Uncertain: L1-L2 left. Not found, or outside the scan: L2-L3 right."


def test_a_level_that_lacks_both_sides_is_named_once() -> None:
    assert explained(replace(spine(), foramina=()), "foramina").problem == "Not found, or outside the scan: L1-L2, L2-L3."


def test_files_say_it_too() -> None:
    assert structures_content(spine())["cord"] == {"provenance": "found", "confidence": 0.7, "problem": "Modelled at L1-L2."}


def test_a_place_on_the_edge_of_the_sac_says_whether_it_was_seen() -> None:
    known = spine()  # its radius is 8 mm, and it was seen down to z = -30
    assert sac_words_at(known, (8.0, 0.0, 20.0)) == "edge of the sac: seen"
    assert sac_words_at(known, (0.0, -7.5, -40.0)) == "edge of the sac: modelled"
    assert sac_words_at(known, (5.0, 0.0, 20.0)) == ""
    assert sac_words_at(replace(known, sac=None), (8.0, 0.0, 20.0)) == ""


def test_the_epidural_space_is_known_as_well_as_the_worse_of_canal_and_sac() -> None:
    known = spine()
    modelled = replace(known, structures={"canal": Structure("found", 0.9), "sac": Structure("modelled", 0.4)})
    assert explained(modelled, "compartments") == Structure("modelled", 0.4)
    nothing = replace(known, structures={"canal": Structure("found", 0.9)})
    assert explained(nothing, "compartments").provenance == "not checked"
