"""Where things are: LPS millimetres, voxel grids, sampling, the angles of the room. The only place that knows axis order."""

from planner.geometry.angles import NeedleAngles, PatientPosition, needle_angles
from planner.geometry.frame import Floats, Frame, axial_frame_over
from planner.geometry.nifti import NOWHERE, nifti_place, read_nifti, write_nifti
from planner.geometry.sampling import resample, trilinear
from planner.geometry.volume import Gap, Volume

__all__ = [
    "NOWHERE",
    "Floats",
    "Frame",
    "Gap",
    "NeedleAngles",
    "PatientPosition",
    "Volume",
    "axial_frame_over",
    "needle_angles",
    "nifti_place",
    "read_nifti",
    "resample",
    "trilinear",
    "write_nifti",
]
