"""The four kinds of leak, and what contrast shows of them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from planner.phantom import Phantom, PhantomParameters, build
from planner.phantom.parameters import LeakName, ModalityName, PositionName
from tests.planner.phantom.looking import at, bone, marked


@cache
def built(leak: LeakName = "ventral", modality: ModalityName = "ct", position: PositionName = "prone") -> Phantom:
    return build(PhantomParameters(spacing_mm=(1.6, 1.1, 1.1), leak=leak, modality=modality, position=position))


@pytest.mark.parametrize(
    "leak,expected",
    [
        ("ventral", [("ventral", "T12-L1", "right")]),
        ("sleeve", [("sleeve", "L2-L3", "left")]),
        ("dorsal", [("dorsal", "L3-L4", "left")]),
        ("two-level", [("dorsal", "T12-L1", "right"), ("dorsal", "L1-L2", "left")]),
    ],
)
def test_a_leak_lies_on_the_dura(leak: LeakName, expected: list[tuple[str, str, str]]) -> None:
    phantom = built(leak=leak)
    assert [(k.kind, k.level, k.side) for k in phantom.truth.leaks] == expected
    dura = marked(phantom, "thecal sac", "nerve root")
    ball = np.stack(np.meshgrid(*[np.arange(-2, 2.1, 0.5)] * 3), axis=-1).reshape(-1, 3)
    ball = ball[np.linalg.norm(ball, axis=1) <= 2.0]
    for k in phantom.truth.leaks:
        inside = at(phantom, dura, np.array(k.position) + ball).mean()
        assert 0.15 < inside < 0.85, "part of what is around the leak is sac, part is not"


def test_the_ventral_leak_sits_on_a_spur() -> None:
    phantom = built(leak="ventral")
    place = np.array(phantom.truth.leaks[0].position)
    around = place + np.stack(np.meshgrid(*[np.arange(-2, 2.1, 0.5)] * 3), axis=-1).reshape(-1, 3)
    assert at(phantom, bone(phantom), around).any()
    assert phantom.volume.sample(around).max() > 250


def test_a_myelogram_shows_sac_cord_and_leak() -> None:
    phantom = built(leak="dorsal", modality="myelogram")
    values = phantom.volume.voxels
    sac = values[marked(phantom, "thecal sac")]
    assert 400 < np.median(sac) < 900
    assert np.median(values[marked(phantom, "spinal cord")]) < 120
    spilled = values[marked(phantom, "contrast outside the sac")]
    assert spilled.size > 200 and 120 < np.median(spilled) < 400
    assert "contrast outside the sac" not in built(leak="dorsal").label_names.values()


def test_contrast_sinks_to_the_lower_side() -> None:
    for position, sign in (("prone", 1.0), ("supine", -1.0)):
        phantom = built(leak="dorsal", modality="myelogram", position=position)
        sac = marked(phantom, "thecal sac")
        k = int(np.argwhere(sac)[:, 0].mean())
        rows = np.argwhere(sac[k])[:, 0]
        middle = (rows.min() + rows.max()) / 2
        row = np.arange(sac.shape[1])[:, None]
        ventral = phantom.volume.voxels[k][sac[k] & (row < middle)].mean()
        dorsal = phantom.volume.voxels[k][sac[k] & (row > middle)].mean()
        assert sign * (ventral - dorsal) > 50


def test_t2_shows_bright_fluid_and_dark_bone() -> None:
    phantom = built(modality="mr")
    assert phantom.volume.modality == "MR"

    def mean(name: str) -> float:
        return float(phantom.volume.voxels[marked(phantom, name)].mean())

    assert mean("thecal sac") > 1.4 * mean("spinal cord")
    assert mean("epidural space") > mean("ligamentum flavum")
    assert phantom.volume.voxels.min() >= 0
