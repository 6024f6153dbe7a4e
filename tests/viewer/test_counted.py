"""Every picture with levels says what they are counted from."""

from dataclasses import replace

import numpy as np
import pytest

from planner.anatomy.labels import Numbering
from planner.anatomy.spine import Anchor
from tests.viewer.conftest import rgb
from tests.viewer.patient import CANAL_Y, patient
from viewer.furniture import counted_words
from viewer.pictures import slice_picture

L3 = (0.0, CANAL_Y - 28, 0.0)


@pytest.mark.parametrize(
    ("anchor", "words"),
    [
        (Anchor("L3", L3, "user"), "levels counted from L3"),
        (Anchor("L3", L3, "program", 0.8), "levels counted from L3, guessed"),
        (Anchor("L3", L3, "user", 1.0, Numbering(lumbar=6)), "levels counted from L3, 6 lumbar"),
        (None, "levels not confirmed"),
    ],
)
def test_it_is_said_in_a_few_words(anchor: Anchor | None, words: str) -> None:
    anatomy = patient().anatomy
    assert anatomy is not None
    assert counted_words(replace(anatomy, anchor=anchor)) == words
    assert counted_words(replace(anatomy, levels=())) == counted_words(None) == ""


@pytest.mark.parametrize("plane", ["axial", "sagittal", "coronal"])
def test_it_stands_below_the_title_of_every_slice(qapp, plane) -> None:
    scene = patient()
    assert scene.anatomy is not None
    with_it, without = (
        rgb(slice_picture(one, plane, (0, CANAL_Y, 0), (400, 300), ratio=1.0)).astype(int)
        for one in (scene, replace(scene, anatomy=replace(scene.anatomy, anchor=None)))
    )
    rows, columns = np.nonzero(np.abs(with_it - without).sum(axis=2) > 60)
    below = (rows > 22) & (rows < 45)
    assert below.sum() > 40, "the words differ"
    assert columns[below].max() < 200, "they end before the letter in the middle"
