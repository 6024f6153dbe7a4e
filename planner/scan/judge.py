"""One volume's slices -> Series with a verdict: good, repaired or refused, with reasons in sentences and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import acos, degrees

import numpy as np

from planner.evidence import number
from planner.geometry import Floats, Frame, Gap
from planner.scan.group import one_grid
from planner.scan.pixels import rescale_of
from planner.scan.series import LEAST_SLICES, Plane, Series, Slice, Triple
from planner.scan.stack import LEAST_BLOCK, SAME_PLACE_MM, SHOWN, Crooked, Stack, arrange, axes, grid, odd_steps

MOST_NAMED = 3  # odd steps or places named one by one in a reason
_NORMALS: dict[Plane, Triple] = {"sagittal": (1, 0, 0), "coronal": (0, 1, 0), "axial": (0, 0, 1)}
_PLANE_COSINE = 0.9  # within 26 degrees: a tilted gantry is still axial
_OBLIQUE_DEG = 0.05
_LEAST_MM, _MOST_MM = 0.01, 50.0  # of a pixel: anything else is a damaged header
_MOST_SHEAR_DEG = 45.0  # gantries tilt by 30


def judge(slices: Sequence[Slice], uid: str, extra_repairs: tuple[str, ...] = ()) -> list[Series]:
    """The series that slices of one grid form: one, or the refused whole and its even blocks where slices are missing.

    Parts are numbered by the caller. extra_repairs: what was done to the slices before.
    """
    first = slices[0]
    base = Series(
        uid=uid, part=0, description=first.description, modality=first.modality, plane="oblique", slices=len(slices),
        size=(len(slices), first.pixels.rows, first.pixels.columns),
        spacing_mm=(0.0, first.row_mm or 0.0, first.column_mm or 0.0), extent_mm=(0.0, 0.0, 0.0), verdict="refused", reasons=(),
        repairs=(), patient_position=first.patient_position, pictures=tuple(slices), identity=first.identity,
    )  # fmt: skip
    problem = _problem(slices)
    if problem:
        return [refused(base, (problem,), "Load a thin axial series of the spine.")]
    assert first.along_row and first.along_column and first.row_mm and first.column_mm
    try:
        row, column, normal = axes(first.along_row, first.along_column)
    except Crooked as error:
        return [refused(base, (str(error),), "Export the series again from the scanner or the archive.")]
    positions = np.array([one.position for one in slices], dtype=np.float64)
    stack = arrange(positions, normal)
    base = replace(
        base, plane=plane_of(normal), pictures=tuple(slices[n] for n in stack.order),
        spacing_mm=(stack.distance_mm, first.row_mm, first.column_mm),
        extent_mm=(float(stack.along_mm[-1]), first.row_mm * (base.size[1] - 1), first.column_mm * (base.size[2] - 1)),
    )  # fmt: skip
    if len(slices) < LEAST_SLICES:
        return [refused(base, (_few(slices),), "Open the folder that holds the whole series.")]
    refusal = _same_place(stack)
    reasons: tuple[str, ...] = (refusal,) if refusal else ()
    if stack.even and not refusal:
        return [_accepted(base, stack, (0, len(slices)), (row, column), (), extra_repairs)]
    if stack.along_mm[-1] > SAME_PLACE_MM:
        reasons += uneven_reasons(stack)
    if not refusal and stack.without_gap:
        return [_evened(base, stack, (row, column), reasons, extra_repairs)]
    blocks = [] if refusal else [block for block in stack.blocks if block[1] - block[0] >= LEAST_BLOCK]
    parts = [_block(base, stack, block, (row, column), reasons, extra_repairs) for block in blocks]
    distances = [part.spacing_mm[0] for part in parts]
    if len(parts) > 1 and max(distances) - min(distances) > 0.05 * min(distances):
        return parts  # two stacks in one series rather than one with missing slices
    if not refusal and stack.runs:
        return [_with_gaps(base, stack, (row, column), reasons, extra_repairs), *parts]
    way_out = "Load one of its even blocks instead." if parts else "Load a series without missing or doubled slices."
    return [*parts, refused(base, reasons + _tilt(stack) + extra_repairs, way_out)]


def plane_of(normal: Floats) -> Plane:
    """The plane of the patient nearest to slices with this normal."""
    for plane, axis in _NORMALS.items():
        if abs(float(normal @ np.array(axis))) >= _PLANE_COSINE:
            return plane
    return "oblique"


def uneven_reasons(stack: Stack) -> tuple[str, ...]:
    """Sentences on where the steps of a stack are odd, with the numbers; slices count from 1 along the stack."""
    odd = [step for step in odd_steps(stack) if step[1] > SAME_PLACE_MM]
    runs = [block for block in stack.blocks if block[1] - block[0] >= LEAST_BLOCK]
    distances = [stack.along_mm[stop - 1] / (stop - 1 - start) - stack.along_mm[start] / (stop - 1 - start) for start, stop in runs]
    if len(runs) > 1 and max(distances) - min(distances) > 0.05 * min(distances):
        return _changes(stack, sorted(runs))
    if not odd and _same_place(stack):
        return ()
    if not odd:
        return ("The slices do not lie on one line: they are shifted sideways against each other.",)
    named = [
        f"Slices {n + 1} and {n + 2} are {_mm(distance)} apart where {_mm(expected)} was expected{_missing(distance, expected)}."
        for n, distance, expected in odd[:MOST_NAMED]
    ]
    rest = odd[MOST_NAMED:]
    if rest:
        widest, narrowest = max(step[1] for step in odd), min(step[1] for step in odd)
        named.append(f"{len(rest)} more steps are odd; all odd ones range from {_mm(narrowest)} to {_mm(widest)}.")
    return tuple(named)


def _changes(stack: Stack, runs: list[tuple[int, int]]) -> tuple[str, ...]:
    """Two or more stacks of their own spacing in one series."""
    sentences = []
    steps = np.diff(stack.along_mm)
    for (start, stop), (next_start, next_stop) in pairwise(runs):
        before, after = steps[start : stop - 1].mean(), steps[next_start : next_stop - 1].mean()
        sentences.append(f"The spacing changes from {_mm(before)} to {_mm(after)} at slice {stop}.")
        sentences += [f"Slices {n + 1} and {n + 2} are {_mm(steps[n])} apart." for n in range(stop - 1, next_start)][:MOST_NAMED]
    return tuple(sentences)


def _missing(distance: float, expected: float) -> str:
    lost = distance / expected - 1
    if lost > 0.5 and abs(lost - round(lost)) < 0.1 and round(lost) <= 10:
        return ": a slice is missing" if round(lost) == 1 else f": {round(lost)} slices are missing"
    return ""


def _problem(slices: Sequence[Slice]) -> str:
    """Why these slices can have no place in a volume, or an empty string."""
    first, count = slices[0], len(slices)
    if first.modality not in ("CT", "MR"):
        return f"A series of the kind {first.modality}: only CT and MR can be planned on."
    if any(one.position is None or one.along_row is None or one.along_column is None for one in slices):
        if count < LEAST_SLICES:
            return _few(slices)[:-1] + ", without a position in the patient."
        return f"{count} images without a position in the patient: their order and distance cannot be known."
    if not all(_LEAST_MM < (length or 0.0) < _MOST_MM for length in (first.row_mm, first.column_mm)):
        return "The size of the pixels is missing or damaged."
    if not one_grid(slices):
        return f"{count} images in different orientations: no volume."
    return _rescale_problem(slices) if first.modality == "CT" else ""


def _rescale_problem(slices: Sequence[Slice]) -> str:
    """A CT in which some slices lack the offset that others have: read as they are, those would be wrong by all of it."""
    lacking = sum(one.pixels.intercept is None for one in slices)
    return f"{lacking} of {len(slices)} slices have no rescale to HU." if 0 < lacking < len(slices) else ""


def _few(slices: Sequence[Slice]) -> str:
    what = " (a localizer)" if all(one.localizer for one in slices) else ""
    return f"Only {'one slice' if len(slices) == 1 else f'{len(slices)} slices'}{what}: a volume needs at least {LEAST_SLICES}."


def _same_place(stack: Stack) -> str:
    """A sentence where different images lie in one place, or an empty string."""
    steps = np.diff(stack.along_mm)
    doubled = np.flatnonzero(steps < SAME_PLACE_MM)
    if len(doubled) == 0:
        return ""
    if len(doubled) == len(steps):
        return f"All {len(stack.order)} images show one and the same place: no volume."
    names = ", ".join(f"{n + 1} and {n + 2}" for n in doubled[:MOST_NAMED])
    more = f" and {len(doubled) - MOST_NAMED} more pairs" if len(doubled) > MOST_NAMED else ""
    return f"Slices {names}{more} lie in the same place but differ (duplicates, or two scans in one series)."


def _block(
    base: Series, stack: Stack, block: tuple[int, int], in_plane: tuple[Floats, Floats], reasons: tuple[str, ...], repairs: tuple[str, ...]
) -> Series:
    start, stop = block
    kept = f"Only the even block of slices {start + 1} to {stop} of {len(stack.order)} is used."
    part = replace(base, slices=stop - start, size=(stop - start, *base.size[1:]), pictures=base.pictures[start:stop])
    return _accepted(part, stack, block, in_plane, reasons, (kept, *repairs))


def _evened(
    base: Series, stack: Stack, in_plane: tuple[Floats, Floats], reasons: tuple[str, ...], repairs: tuple[str, ...]
) -> Series:
    """A stack of odd steps without a gap: as many slices at even steps between its ends, interpolated."""
    last, steps = len(stack.order) - 1, np.diff(stack.along_mm)
    step = float(stack.along_mm[-1]) / last
    said = f"Slices lie {_mm(steps.min())} to {_mm(steps.max())} apart: resampled to even steps of {_mm(step)}."
    made = _accepted(replace(base, spacing_mm=(step, *base.spacing_mm[1:])), stack, (0, last + 1), in_plane, reasons, (said, *repairs))
    return replace(made, lies_at=tuple((stack.along_mm / step).tolist()))


def _with_gaps(
    base: Series, stack: Stack, in_plane: tuple[Floats, Floats], reasons: tuple[str, ...], repairs: tuple[str, ...]
) -> Series:
    """A stack of even runs with gaps between them: whole, with nothing in the gaps."""
    filled, lies_at = stack.filled()
    step = filled.distance_mm
    ends = [(stop, stop + 1) for _, stop in stack.runs[:-1]]
    where = " and ".join(f"{before} and {after}" for before, after in ends)
    said = f"What lies between slices {where} was not scanned: it is left empty, and nothing is planned there."
    heights = stack.positions_mm @ stack.normal
    gaps = tuple(
        Gap(_triple(stack.normal), float(heights[before - 1] + SHOWN * step), float(heights[after - 1] - SHOWN * step))
        for before, after in ends
    )
    base = replace(base, size=(len(filled.order), *base.size[1:]), spacing_mm=(step, *base.spacing_mm[1:]))
    made = _accepted(base, filled, (0, len(filled.order)), in_plane, reasons, (said, *repairs))
    return replace(made, slices=len(stack.order), lies_at=lies_at, gaps=gaps)


def _triple(vector: Floats) -> Triple:
    x, y, z = vector.tolist()
    return x, y, z


def _accepted(
    base: Series, stack: Stack, block: tuple[int, int], in_plane: tuple[Floats, Floats], reasons: tuple[str, ...], repairs: tuple[str, ...]
) -> Series:
    """An even block as a series that can be loaded, or refused because it is too thick."""
    if len({rescale_of(one) for one in base.pictures}) > 1:
        repairs += ("The slices have different rescales: brought to one.",)
    if base.modality == "CT" and any(one.pixels.slope is None and one.pixels.intercept is not None for one in base.pictures):
        repairs += ("The slope of the rescale to HU is missing or damaged: 1 is taken.",)
    frame = grid(stack, block, *in_plane, base.spacing_mm[1], base.spacing_mm[2], (base.size[1], base.size[2]))
    return with_frame(base, frame, reasons, repairs, any(one.pixels.lossy for one in base.pictures))


def with_frame(base: Series, frame: Frame, reasons: tuple[str, ...], repairs: tuple[str, ...], lossy: bool = False) -> Series:
    """The verdict on a scan whose grid is known: tilt and oblique planes repaired, coarse, short and narrow ones remarked on."""
    directions = frame.directions
    normal = np.cross(directions[:, 2], directions[:, 1])
    normal /= np.linalg.norm(normal)
    cosine = min(1.0, abs(float(normal @ directions[:, 0])))
    distance = frame.spacing_mm[0] * cosine
    spacing = (distance, frame.spacing_mm[1], frame.spacing_mm[2])
    k, j, i = frame.shape
    series = replace(
        base, frame=frame, plane=plane_of(normal), spacing_mm=spacing, size=frame.shape, slices=k,
        extent_mm=((k - 1) * spacing[0], (j - 1) * spacing[1], (i - 1) * spacing[2]),
    )  # fmt: skip
    shear_deg = degrees(acos(cosine))
    if shear_deg > _MOST_SHEAR_DEG:
        sentence = f"The slices are sheared by {shear_deg:.0f} deg: more than any gantry tilts."
        return refused(series, (*reasons, sentence), "Export the series again from the scanner or the archive.")
    if not frame.is_rectangular:
        tilt = f"{shear_deg:.1f}" if shear_deg > 0.1 else f"{shear_deg:.2f}"
        repairs += (f"The slices are sheared by {tilt} deg (tilted gantry): sheared back and resampled.",)
    elif (angle := _oblique_deg(frame)) > _OBLIQUE_DEG:
        repairs += (f"The slices are oblique by {angle:.1f} deg: resampled to the planes of the patient.",)
    if max(spacing) > number("scan.thick_mm") + 0.01:
        thick = f"Slices are {_mm(distance)} apart: too thick to plan a needle on."
        if distance < max(spacing):
            thick = f"Voxels are {_mm(max(spacing))} wide: too coarse to plan a needle on."
        return refused(series, (*reasons, thick), "Load a series with slices of 3 mm or less.")
    notes = remarks(frame, spacing, lossy)
    return replace(series, verdict="repaired" if repairs else "good", reasons=reasons + notes, repairs=repairs, notes=notes)


def remarks(frame: Frame, spacing: Triple, lossy: bool) -> tuple[str, ...]:
    """Sentences on a scan that can be loaded but falls short of what planning wants."""
    said = []
    coarse = number("scan.coarse_mm") - 0.01
    if spacing[0] >= coarse:
        said.append(f"Slices are {_mm(spacing[0])} apart: too coarse to plan a needle on safely.")
    elif max(spacing) >= coarse:
        said.append(f"Voxels are {_mm(max(spacing))} wide: too coarse to plan a needle on safely.")
    low, high = frame.bounds_mm
    across, _, along = (float(length) for length in high - low)
    if along < number("scan.short_mm"):
        said.append(f"Only {along:.0f} mm from head to foot: a short stack.")
    if across < number("scan.narrow_mm"):
        said.append(f"Only {across:.0f} mm from left to right: what lies beside that is out of view.")
    if lossy:
        said.append("The images were compressed with loss: fine detail may be missing.")
    return tuple(said)


def _oblique_deg(frame: Frame) -> float:
    """Largest angle of the grid's axes against the nearest axis of the patient."""
    nearest = np.abs(frame.directions).max(axis=0)
    return max(degrees(acos(min(1.0, float(cosine)))) for cosine in nearest)


def _tilt(stack: Stack) -> tuple[str, ...]:
    return (f"The slices are also tilted by {stack.tilt_deg:.1f} deg (gantry tilt).",) if stack.sheared else ()


def refused(series: Series, reasons: tuple[str, ...], way_out: str) -> Series:
    """The same series with the verdict refused, for these reasons."""
    return replace(series, verdict="refused", reasons=reasons, repairs=(), notes=(), way_out=way_out)


def _mm(length: float) -> str:
    """A length with one decimal, or two where one would lie."""
    return f"{length:.1f} mm" if abs(length - round(length, 1)) < 0.006 else f"{length:.2f} mm"
