"""Every kind of scan can be looked at while it is read, and what is seen of it then is what is there in the end."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from app.window import Window
from planner.geometry import Frame, Volume, write_nifti
from planner.scan.filling import Filling
from tests.app.conftest import find, press, wait
from tests.planner.scan.writer import Stack, hu, other, write, write_enhanced
from viewer import warming

SLICES, HELD_AT = 40, 32  # so many are there when the others are held back
PLAIN = Stack(places=tuple(range(SLICES)), rows=96, columns=80, row_mm=1.0, column_mm=1.2)
ODD = tuple(n + 0.1 * (n % 3 == 1) for n in range(SLICES))
TILTED = (0, float(np.cos(0.2)), float(-np.sin(0.2)))
STACKS = {
    "tilted": other(PLAIN, column=TILTED),
    "odd steps": other(PLAIN, places=ODD),
    "odd steps, sagittal": other(PLAIN, places=ODD, row=(0, 1, 0), column=(0, 0, -1), step=(1.4, 0, 0)),
    "odd steps, tilted": other(PLAIN, places=ODD, column=TILTED),
    "with a gap": other(PLAIN, places=(*range(24), *range(28, 44))),
    "two rescales": other(PLAIN, intercepts=(-1024.0, -1000.0)),
    "two rescales, tilted": other(PLAIN, intercepts=(-1024.0, -1000.0), column=TILTED),
    "rescales no whole steps apart": other(PLAIN, intercepts=(-1024.0, -1000.5)),
}
FILES = ("straight.nii", "straight.nii.gz", "oblique.nii", "oblique.nii.gz", "oblique.nrrd", "oblique.mha")


def one_file(path: Path) -> Path:
    """The same bars as the stacks', on a grid that may be turned about the axis from left to right."""
    turn = 0.2 if path.name.startswith("oblique") else 0.0
    c, s = np.cos(turn), np.sin(turn)
    affine = np.eye(4)
    affine[:3, :3] = np.array([(1, 0, 0), (0, c, -s), (0, s, c)]) @ np.array([(0, 0, 1.2), (0, 1.0, 0), (2.0, 0, 0)])
    shape = SLICES, PLAIN.rows, PLAIN.columns
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    frame = Frame(shape, affine)
    voxels = hu(frame.to_world(np.argwhere(np.ones(shape))).reshape(*shape, 3)).astype(np.int16)
    if path.name.endswith((".nii", ".gz")):
        write_nifti(path, voxels, frame)
        return path
    image = SimpleITK.GetImageFromArray(voxels)
    image.SetDirection(frame.directions[:, ::-1].ravel().tolist())
    image.SetSpacing(frame.spacing_mm[::-1])
    image.SetOrigin(affine[:3, 3].tolist())
    SimpleITK.WriteImage(image, str(path))
    return path


def written(folder: Path, kind: str) -> Path:
    """A scan of a kind, in a folder of its own or in one file."""
    if kind in FILES:
        return one_file(folder / kind)
    if kind == "multi-frame":
        return write_enhanced(folder / "series" / "all.dcm", STACKS["two rescales"])
    series = write(folder / "series", STACKS.get(kind, PLAIN))
    if kind != "in a ZIP":
        return series
    with zipfile.ZipFile(folder / "series.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for one in sorted(series.iterdir()):
            packed.write(one, one.name)
    return folder / "series.zip"


class Gate:
    """Lets the first slices through, and the others when it is opened."""

    def __init__(self) -> None:
        self.held, self.open = Event(), Event()

    def pass_through(self, first: int, last: int) -> None:
        """Wait, where more than the first slices have come, until it is open."""
        while last - first + 1 > HELD_AT and not self.open.wait(0.02):
            self.held.set()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made, arrived = Gate(), Filling.arrived

    def held_back(filling: Filling, first: int, last: int) -> Iterator[None]:
        made.pass_through(first, last)
        yield from arrived(filling, first, last)

    monkeypatch.setattr(Filling, "arrived", held_back)
    monkeypatch.setattr("app.walk.side_by_side", map)  # else slices are read ahead of what has arrived
    yield made
    made.open.set()


@pytest.fixture
def started(gate: Gate, open_window: Callable[..., Window], qtbot: QtBot, tmp_path: Path) -> Callable[[str], tuple[Window, Volume]]:
    """A window in which most slices of a scan of a kind are there and the others are held back, and what it shows."""

    def start(kind: str) -> tuple[Window, Volume]:
        window = open_window(written(tmp_path, kind))
        wait(qtbot, lambda: gate.held.is_set() and window.views.grid.scene.volume is not None and warming.ready())
        volume = window.views.grid.scene.volume
        assert volume is not None and window.session.volume.state == "running"
        qtbot.wait(300)  # pictures are made fine when they rest
        return window, volume

    return start


def picture(window: Window, name: str) -> NDArray[np.uint8]:
    """The greys of a view, [row, column]."""
    view = window.views.grid.slices[name]
    greys = view.grab().toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    return np.array(greys.constBits(), np.uint8).reshape(greys.height(), greys.bytesPerLine())[:, : greys.width()]


@pytest.mark.parametrize("kind", [*STACKS, *FILES, "multi-frame", "in a ZIP"])
def test_what_is_seen_first_is_what_is_there_in_the_end(
    kind: str, started: Callable[[str], tuple[Window, Volume]], gate: Gate, qtbot: QtBot
) -> None:
    window, shown = started(kind)
    grid, session = window.views.grid, window.session
    first = shown.values()
    there = shown.voxels != shown.padding
    pictures = {name: picture(window, name) for name in grid.slices}
    poses = {name: view.pose for name, view in grid.slices.items()}
    assert session.anatomy.state == "missing"
    along, across = ("sagittal", "axial") if "sagittal" in kind else ("axial", "sagittal")  # a plane that is whole, and one that is not
    assert pictures[along].max() > 150
    gate.open.set()
    wait(qtbot, lambda: session.volume.state == "ready")
    final = session.volume.value
    assert final is not None and grid.scene.volume is final
    assert (shown.frame, shown.field, shown.gaps) == (final.frame, final.field, final.gaps)
    assert np.array_equal(first[there], final.values()[there])
    told = final.voxels != (final.padding if final.padding is not None else shown.padding)
    assert 0.2 * told.sum() < there.sum() < told.sum()
    assert {name: view.pose for name, view in grid.slices.items()} == poses
    wait(qtbot, lambda: np.array_equal(pictures[along], picture(window, along)))
    assert (picture(window, across).astype(int) - pictures[across]).max() > 40


@pytest.mark.parametrize("kind", ["odd steps", "two rescales, tilted", "oblique.nii", "oblique.nii.gz"])
def test_a_reading_that_is_stopped_takes_its_picture_away(
    kind: str, started: Callable[[str], tuple[Window, Volume]], gate: Gate, qtbot: QtBot
) -> None:
    window, _ = started(kind)
    press(qtbot, window, "Cancel loading the series")
    wait(qtbot, lambda: window.views.grid.scene.volume is None)
    gate.open.set()
    assert find(window, "Load it").isVisible()
    press(qtbot, window, "Load it")
    wait(qtbot, lambda: window.session.volume.state == "ready")


@pytest.mark.parametrize("kind", ["odd steps", "two rescales, tilted", "oblique.nii", "oblique.nii.gz"])
def test_another_scan_takes_the_place_of_one_that_is_still_read(
    kind: str, started: Callable[[str], tuple[Window, Volume]], gate: Gate, qtbot: QtBot, tmp_path: Path
) -> None:
    window, shown = started(kind)
    short = write(tmp_path / "short", other(PLAIN, series="1.2.3", places=tuple(range(12))))
    seen = []
    window.session.changed.connect(lambda: seen.append(window.session.volume_in_sight))
    window.open(short)
    gate.open.set()
    wait(qtbot, lambda: window.session.series is not None and window.session.series.slices == 12)
    wait(qtbot, lambda: window.session.volume.state == "ready")
    volume = window.views.grid.scene.volume
    assert volume is not None and volume.frame.shape[0] == 12
    beyond = [one for one in seen if one is not None and one is not shown]
    assert all(one.frame == volume.frame for one in beyond)
