"""A patient who lies otherwise than the scan's axes say."""

from dataclasses import replace

import numpy as np
import pytest

from planner.anatomy import find
from planner.anatomy.facing import bone_behind, with_doubt_about_facing
from planner.geometry import Frame, Volume
from planner.refusal import Refusal
from planner.scan import choose, load, read
from tests.data import real
from tests.planner.anatomy.phantoms import found, phantom


def turned_about(volume: Volume) -> Volume:
    """As when the patient lay prone and the scanner was told supine: turned by 180 degrees about the long axis."""
    turned = Frame(volume.frame.shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.frame.affine)
    return replace(volume, frame=turned).to_axial()


def test_a_scan_that_is_stored_back_to_front_is_refused() -> None:
    with pytest.raises(Refusal, match="no vertebral bodies") as refused:
        find(turned_about(phantom().volume))
    assert "back to front" in refused.value.way_out


@pytest.mark.real
def test_one_whose_spinous_processes_are_as_thick_as_bodies_is_doubted() -> None:
    wrong = with_doubt_about_facing(find(turned_about(load(choose(read(real("cervical-ct")))))))
    known = wrong.structure("canal")
    assert known.confidence is not None and known.confidence <= 0.3
    assert "back to front" in (known.problem or "")
    again = with_doubt_about_facing(wrong).structure("canal")
    assert again == known


def test_one_that_is_right_is_left_alone() -> None:
    assert bone_behind(found()) < 0.3
    assert with_doubt_about_facing(found()) is found()
    assert with_doubt_about_facing(found("mr")) is found("mr")  # where arches are not labelled


@pytest.mark.real
@pytest.mark.parametrize("name", ["thoracic-ct", "cervical-ct"])
def test_real_arches_are_thin(name: str) -> None:
    assert bone_behind(find(load(choose(read(real(name)))))) < 0.3
