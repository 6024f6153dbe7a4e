"""The box of voxels that a part is painted in holds the part, whatever the side curve does between its ends."""

import numpy as np

from planner.geometry import Frame
from planner.phantom.canvas import Canvas, side_curve
from planner.phantom.layout import lay_out
from planner.phantom.parameters import PhantomParameters

STEP_MM = 2.0
SHAPE = (250, 100, 150)


def curved(scoliosis_deg: float) -> Canvas:
    parameters = PhantomParameters(scoliosis_deg=scoliosis_deg)
    layout = lay_out(parameters)
    bend, bend_z0 = side_curve(parameters, layout)
    middle = np.array([0.0, layout["L1"].origin[1], layout["L1"].z_mm])
    origin = middle - np.array(SHAPE[::-1]) * STEP_MM / 2
    image, labels = np.zeros(SHAPE, dtype=np.int16), np.zeros(SHAPE, dtype=np.uint8)
    frame = Frame.axial(SHAPE, (STEP_MM,) * 3, origin.tolist())
    noise = np.zeros((1, 1, 1), dtype=np.float32)
    return Canvas(frame, image, labels, origin, np.full(3, STEP_MM), bend, bend_z0, noise, 1.0, np.zeros(3), "hu")


def test_the_box_of_a_long_part_holds_the_bulge_of_the_side_curve() -> None:
    canvas = curved(34.0)
    middle = canvas.origin + np.array(SHAPE[::-1]) * STEP_MM / 2
    low, high = middle + (-9.0, -8.0, -200.0), middle + (9.0, 8.0, 200.0)
    first, stop = canvas.box(low, high)
    inside = np.random.default_rng(1).uniform(low, high, size=(2000, 3))
    voxels = ((canvas.bent(inside) - canvas.origin) / STEP_MM)[:, ::-1]
    assert (voxels >= first).all() and (voxels <= stop - 1).all()
