"""Volume rendering of a scan without a GPU: rays through the voxels, coarse while the hand moves. Imported late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import vtkmodules.vtkRenderingVolumeOpenGL2  # noqa: F401 - the factories' concrete classes
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkImageData, vtkPiecewiseFunction
from vtkmodules.vtkRenderingCore import vtkColorTransferFunction, vtkVolume, vtkVolumeProperty
from vtkmodules.vtkRenderingVolume import vtkFixedPointVolumeRayCastMapper

from viewer.windows import auto_window

if TYPE_CHECKING:
    from planner.geometry import Volume

_CT = (
    (-1024, 0.0, (0.0, 0.0, 0.0)), (120, 0.0, (0.45, 0.18, 0.12)), (180, 0.06, (0.62, 0.35, 0.24)), (300, 0.35, (0.85, 0.76, 0.6)),
    (700, 0.75, (0.95, 0.91, 0.82)), (3000, 0.95, (1.0, 1.0, 0.98)),
)  # fmt: skip
"""HU, opacity and colour: flesh fades, bone stands."""
_MOST_VOXELS = 12e6  # more would hold the window up while VTK shades them


def blended(volume: Volume) -> Any:
    """A vtkVolume of a scan in its own place."""
    step = max(1, int(np.ceil((volume.voxels.size / _MOST_VOXELS) ** (1 / 3))))
    voxels = _means(volume.voxels, step)
    image = vtkImageData()
    image.SetDimensions(*voxels.shape[::-1])
    image.SetSpacing(*(spacing * step for spacing in volume.frame.spacing_mm[::-1]))
    image.SetOrigin(*volume.frame.to_world(np.full(3, (step - 1) / 2)))
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(voxels).ravel(), deep=1))
    mapper = vtkFixedPointVolumeRayCastMapper()
    mapper.SetInputData(image)
    mapper.SetAutoAdjustSampleDistances(0)
    look = vtkVolumeProperty()
    opacity, colour = vtkPiecewiseFunction(), vtkColorTransferFunction()
    for value, opaque, rgb in _CT if volume.modality == "CT" else _ramp(volume):
        opacity.AddPoint(volume.to_stored(value), opaque)
        colour.AddRGBPoint(volume.to_stored(value), *rgb)
    look.SetScalarOpacity(opacity)
    look.SetColor(colour)
    look.SetInterpolationTypeToLinear()
    look.ShadeOn()
    look.SetAmbient(0.25)
    look.SetDiffuse(0.85)
    look.SetSpecular(0.2)
    prop = vtkVolume()
    prop.SetMapper(mapper)
    prop.SetProperty(look)
    prop.PickableOff()
    set_quick(prop, False)
    return prop


def _means(voxels: NDArray[Any], step: int) -> NDArray[Any]:
    """Means of cubes of step voxels, in a type that the ray caster takes; slab by slab."""
    kind = voxels.dtype if voxels.dtype in (np.int16, np.uint16, np.uint8, np.float32) else np.dtype(np.float32)
    shape = np.maximum(1, np.array(voxels.shape) // step)
    cubes = np.empty(shape, dtype=kind)
    for k in range(shape[0]):
        slab = voxels[k * step : (k + 1) * step, : shape[1] * step, : shape[2] * step].mean(axis=0, dtype=np.float32)
        rows = min(step, voxels.shape[1])
        columns = min(step, voxels.shape[2])
        cubes[k] = slab.reshape(shape[1], rows, shape[2], columns).mean(axis=(1, 3))
    return cubes


def _ramp(volume: Volume) -> tuple[tuple[float, float, tuple[float, float, float]], ...]:
    window = auto_window(volume, 0.3, 0.999)
    low, high = window.centre - window.width / 2, window.centre + window.width / 2
    return (low, 0.0, (0.1, 0.1, 0.12)), ((low + high) / 2, 0.05, (0.6, 0.6, 0.62)), (high, 0.5, (1.0, 1.0, 1.0))


def set_quick(prop: Any, quick: bool) -> None:
    """Fewer rays and longer steps while the hand moves."""
    mapper = prop.GetMapper()
    mapper.SetImageSampleDistance(3.0 if quick else 2.0)
    mapper.SetSampleDistance(4.0 if quick else 0.8)
