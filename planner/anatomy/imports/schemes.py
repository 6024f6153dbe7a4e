"""What the numbers of a label map mean: by the names that its file carries, else by the scheme of a known program that its values fit.

Schemes are data (resources/label_schemes). A map that fits two schemes which mean different things is a question, never a guess.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from planner.anatomy.imports.said import program_of, structure_named
from planner.anatomy.labels import LEVELS, rank
from planner.evidence import RESOURCES
from planner.geometry import Floats
from planner.refusal import Refusal
from planner.scan.label_files import LabelFile, sidecar_of

NOTHING = ""
"""What a number means that says nothing about what is planned here."""

_NOT_SPINE = (NOTHING, "kidney", "lung", "bowel gas", "aorta", "vena cava")
_ROOM = RESOURCES / "label_schemes"
_NOT_SCHEMES = ("names", "programs")
_NEIGHBOURS_MM = {"C": 17.0, "T": 24.0, "L": 35.0, "S": 30.0}  # between the middles of neighbours (algorithms 2.1)
_UPPER_THORAX_MM = 21.0  # T1 to T6
_MOST_MISFIT, _CLEAR_BY = 0.42, 0.12  # of the logarithm of spacing: half again too far apart fits nobody; sizes of people differ by a sixth
_LEAST_APART_MM, _MOST_APART_MM = 12.0, 48.0  # neighbours (algorithms 2.4)
_HALF = 0.5  # a scheme that makes of the numbers less than half the neighbours that another makes is not theirs
_SPEAKS_FOR_ITSELF = 5  # numbers that all are of one scheme
_ORDER_MM = 3.0  # neighbours may lie this far out of order, where a map cuts them off
_LEAST_ML, _MOST_ML, _MOST_HEIGHT_MM = 0.3, 250.0, 100.0  # of a vertebra
_PLATE = 0.47  # a disc is thinner than this share of the way to its neighbour, a body thicker
_MOST_POINT_VOXELS = 30
_CORD_MM2, _SAC_MM2 = 450.0, 900.0  # mean cross-section of more than any cord, any sac
_LEAST_VERTEBRA_MM2 = 160.0
_WHOLE_SACRUM_MM = 60.0  # an S1 taller than this is the whole sacrum
_MEASURED_MM = 1.5


class WhoseNumbers(Refusal):
    """A question that a person can answer: choices are the schemes, by id and by program, that the map may have."""

    def __init__(self, sentence: str, choices: Sequence[Scheme]) -> None:
        names = ", ".join(f"{one.id} ({one.program})" for one in choices)
        super().__init__(sentence, f"Say whose numbers they are, in the window or with --label-scheme NAME: {names}.")
        self.choices = tuple((one.id, one.program) for one in choices)


@dataclass(frozen=True, eq=False)
class Scheme:
    """The numbers of one program. meaning: number -> name of a structure, `vertebra L4`, `cord at L4` (the cord beside it), `mark L4-L5`
    (a point at that disc), or NOTHING. needs: of each set at least one number is there. left, right: numbers of paired structures."""

    id: str
    program: str
    modalities: tuple[str, ...]
    meaning: Mapping[int, str]
    needs: tuple[frozenset[int], ...]
    left: frozenset[int]
    right: frozenset[int]
    shape: Literal["vertebrae", "cord", "points"]
    only_chosen: bool


@dataclass(frozen=True)
class Piece:
    """One number of a map, measured: its middle (LPS), volume, height from head to foot, mean thickness in that direction, mean
    cross-section, voxels, and whether the map's upper or lower end cuts it off."""

    centre_mm: tuple[float, float, float]
    ml: float
    height_mm: float
    thickness_mm: float
    section_mm2: float
    voxels: int
    cut: bool


@dataclass(frozen=True)
class Meaning:
    """What each number that is there means, and whose scheme that is. notes: what a reader must know, each with the structure it is of."""

    program: str
    names: Mapping[int, str]
    notes: tuple[tuple[str, str], ...] = ()


# ---- the data -----------------------------------------------------------------------------------------------------------------------


@cache
def schemes() -> tuple[Scheme, ...]:
    """All known schemes, in the order of their files."""
    files = [path for path in sorted(_ROOM.glob("*.json")) if path.stem not in _NOT_SCHEMES]
    return tuple(_scheme(path.stem, json.loads(path.read_text("utf-8"))) for path in files)


def _scheme(identifier: str, content: Mapping[str, Any]) -> Scheme:
    held: dict[str, str] = content["labels"]
    silent: list[str] = content.get("silent", [])
    needs: list[list[str]] = content.get("needs", [])
    meaning = dict.fromkeys(_numbers(silent), NOTHING)
    for span, name in held.items():
        run = _numbers([span])
        meaning.update(zip(run, _run_of_names(name, len(run)), strict=True))
    return Scheme(
        identifier,
        str(content["program"]),
        tuple(content["modalities"]),
        MappingProxyType(meaning),
        tuple(frozenset(_numbers(group)) for group in needs),
        frozenset(_numbers(content.get("left", []))),
        frozenset(_numbers(content.get("right", []))),
        content.get("shape", "vertebrae"),
        bool(content.get("only_chosen", False)),
    )


def _numbers(spans: Iterable[str]) -> list[int]:
    """`["1", "4..6"]` -> [1, 4, 5, 6]."""
    out: list[int] = []
    for span in spans:
        first, _, last = span.partition("..")
        out += range(int(first), int(last or first) + 1)
    return out


def _run_of_names(name: str, count: int) -> list[str]:
    """`vertebra L5..L1`, `disc T1-T2..T11-T12` counted out; a name without a run stands for all."""
    words, _, last = name.partition("..")
    if not last:
        return [name] * count
    kind, first = words.rsplit(" ", 1)
    down = _place(last) >= _place(first)
    start = _place(first)
    places = [start + n if down else start - n for n in range(count)]
    as_pair = "-" in first
    return [f"{kind} {LEVELS[at]}-{LEVELS[at + 1]}" if as_pair else f"{kind} {LEVELS[at]}" for at in places]


def _place(level: str) -> int:
    return LEVELS.index(level.partition("-")[0])


# ---- by values ----------------------------------------------------------------------------------------------------------------------


def measured(file: LabelFile) -> dict[int, Piece]:
    """Every number of a map, measured on a grid of some 1.5 mm."""
    k_mm, j_mm, i_mm = file.frame.spacing_mm
    steps = tuple(max(1, int(_MEASURED_MM / mm)) for mm in (j_mm, i_mm))
    out: dict[int, Piece] = {}
    for layer in file.layers:
        thin = layer[:, :: steps[0], :: steps[1]]
        present = np.flatnonzero(np.bincount(thin.ravel()))
        place = np.zeros(int(thin.max()) + 1, dtype=np.int64)
        place[present] = np.arange(len(present))
        sums, heights = np.zeros((len(present), 4)), np.zeros((len(present), len(thin)))
        columns = np.zeros((len(present), thin.shape[1] * thin.shape[2]), dtype=np.bool_)
        j, i = (axis.ravel().astype(np.float64) for axis in np.indices(thin.shape[1:]))
        for k, plane in enumerate(thin):
            at = np.flatnonzero(plane)
            if not len(at):
                continue
            which = place[plane.ravel()[at]]
            count = np.bincount(which, minlength=len(present)).astype(np.float64)
            heights[:, k] = count
            columns[which, at] = True
            sums[:, 0] += count
            sums[:, 1] += count * k
            sums[:, 2] += np.bincount(which, j[at], len(present))
            sums[:, 3] += np.bincount(which, i[at], len(present))
        voxel_mm2 = j_mm * i_mm * steps[0] * steps[1]
        up = abs(float(file.frame.affine[2, 0])) / k_mm  # 1 where slices are stacked from head to foot
        for n, number in enumerate(present):
            if number == 0 or sums[n, 0] == 0:
                continue
            index = sums[n, 1:] / sums[n, 0] * (1, *steps)
            x, y, z = (float(value) for value in file.frame.to_world(index))
            slices = int((heights[n] > 0).sum())
            volume_mm3 = float(sums[n, 0]) * voxel_mm2 * k_mm
            if up > 0.7:
                height, thick = slices * k_mm, volume_mm3 / (float(columns[n].sum()) * voxel_mm2)
                cut = bool(heights[n, 0] or heights[n, -1])
            else:
                height, thick, cut = _upright(file, thin == number, steps)
            section = volume_mm3 / max(height, 1e-6)
            voxels = int(sums[n, 0]) * steps[0] * steps[1]
            out[int(number)] = Piece((x, y, z), volume_mm3 / 1000.0, height, thick, section, voxels, cut)
    return out


def _upright(file: LabelFile, mask: NDArray[np.bool_], steps: tuple[int, ...]) -> tuple[float, float, bool]:
    """(height, mean thickness, cut off) from head to foot of a mask whose slices are not stacked that way."""
    axis = int(np.abs(file.frame.affine[2, :3]).argmax())
    mm = file.frame.spacing_mm[axis] * (1, *steps)[axis]
    other = tuple(n for n in range(3) if n != axis)
    there = np.asarray(mask.any(axis=other))
    thick = float(mask.sum()) / max(1, int(mask.any(axis=axis).sum())) * mm
    return float(there.sum()) * mm, thick, bool(there[0] or there[-1])


def recognised(file: LabelFile, modality: str, file_name: str, pieces: Mapping[int, Piece]) -> Meaning:
    """What the numbers of a map mean. Raises Refusal where they mean nothing known, where they may mean two things (the way out says
    what to give), and where the names of vertebrae do not follow each other from head to foot."""
    could_hold = [one for one in schemes() if modality in one.modalities and set(pieces) <= set(one.meaning) and _tells(one, pieces)]
    if file.scheme is not None:
        chosen = next((one for one in schemes() if one.id == file.scheme), None)
        if chosen is None:
            raise WhoseNumbers(f"No scheme of labels is called {file.scheme[:40]}.", schemes())
        unknown = sorted(set(pieces) - set(chosen.meaning))
        if unknown:
            raise WhoseNumbers(f"The label map holds the number {unknown[0]}, which {chosen.program} does not use.", could_hold)
        return _checked(Meaning(chosen.program, _plain(chosen, pieces)), pieces, chosen)
    named = _by_names(file, file_name, pieces)
    if named is not None:
        return _checked(named, pieces, None)
    possible = [one for one in schemes() if not one.only_chosen and modality in one.modalities and _could_be(one, pieces)]
    possible.sort(key=lambda one: (-_explains(one, pieces), _misfit(_plain(one, pieces), pieces)))
    fitting = [(one, _misfit(_plain(one, pieces), pieces)) for one in possible if not _disorder(_plain(one, pieces), pieces)]
    if possible and (not fitting or _is_rather(possible[0], fitting[0], pieces)):
        raise _not_in_order(_disorder(_plain(possible[0], pieces), pieces))
    fitting = [pair for pair in fitting if _explains(pair[0], pieces) >= _HALF * _explains(fitting[0][0], pieces)]
    fitting = sorted((pair for pair in fitting if pair[1] <= _MOST_MISFIT), key=lambda pair: pair[1])
    if not fitting and possible:
        raise _odd_spacing(_plain(possible[0], pieces), pieces, could_hold)
    if not fitting:
        way_out = f'Put their names into {sidecar_of(Path(file_name)).name} beside it, such as {{"20": "vertebra L1"}}.'
        raise Refusal(f"What the numbers of the label map {file_name} mean is not known.", way_out)
    if len(pieces) < _SPEAKS_FOR_ITSELF and not _explains(fitting[0][0], pieces) and not _parts(fitting[0][0], pieces):
        raise WhoseNumbers(f"The label map {file_name} holds too little to tell which program's numbers it has.", could_hold)
    best, least = fitting[0]
    meant = _plain(best, pieces)
    others = [one for one, misfit in fitting[1:] if misfit < least + _CLEAR_BY and _plain(one, pieces) != meant]
    if others:
        programs = " or ".join([best.program, *(one.program for one in others)])
        sentence = f"The numbers of the label map {file_name} may be those of {programs}, which mean different things."
        raise WhoseNumbers(sentence, [best, *others])
    same = [one.program for one, _ in fitting if _plain(one, pieces) == meant]
    return _checked(Meaning(_either(same), meant), pieces, best)


def _either(programs: Sequence[str]) -> str:
    """Programs that give the same numbers."""
    return programs[0] if len(programs) == 1 else f"{', '.join(programs[:-1])} or {programs[-1]}"


def _by_names(file: LabelFile, file_name: str, pieces: Mapping[int, Piece]) -> Meaning | None:
    if not file.names:
        return None
    meant = {}
    for number in sorted(pieces):
        found = [name for said in file.names.get(number, ()) if (name := structure_named(said)) is not None]
        if found:
            meant[number] = found[0]
    if not meant:
        if file.sidecar:
            raise Refusal(
                f"The names beside the label map {file_name} are of no structure that is planned by.", "See labels.json of `anatomy`."
            )
        return None
    nameless = [number for number in pieces if number not in file.names]
    if nameless:
        raise Refusal(
            f"The label map {file_name} holds the number {nameless[0]}, which its {'JSON file' if file.sidecar else 'list'} does not name.",
            "Give its names too, or leave it out of the map.",
        )
    left_out = [*(file.names[number][0] for number in pieces if number not in meant), *file.unread]
    notes = (("label map", f"Not taken in: {_some(left_out)}."),) if left_out else ()
    names = {**dict.fromkeys(sorted(pieces), NOTHING), **meant}
    spine = _spine_of(names)
    scheme = next(
        (one for one in schemes() if not one.only_chosen and _could_be(one, pieces) and _spine_of(_plain(one, pieces)) == spine), None
    )
    program = scheme.program if scheme else program_of([*file.unread, *(said for found in file.names.values() for said in found)])
    return Meaning(program or file.program or "another program", names, notes)


def _spine_of(names: Mapping[int, str]) -> dict[int, str]:
    return {number: name for number, name in names.items() if name.startswith(("vertebra ", "disc ", "spinal cord", "thecal sac"))}


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(name[:40] for name in names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"


def _plain(scheme: Scheme, pieces: Mapping[int, Piece]) -> dict[int, str]:
    """What a scheme makes of the numbers that are there."""
    return {number: scheme.meaning[number] for number in sorted(pieces)}


def _tells(scheme: Scheme, pieces: Mapping[int, Piece]) -> bool:
    """Whether a scheme makes more of these numbers than organs, and points of points alone: else nobody would choose it."""
    points = all(piece.voxels < _MOST_POINT_VOXELS for piece in pieces.values())
    return points == (scheme.shape == "points") and any(scheme.meaning[number] not in _NOT_SPINE for number in pieces)


def _could_be(scheme: Scheme, pieces: Mapping[int, Piece]) -> bool:
    """Whether the numbers, and the sizes of what they stand for, are those of a scheme (algorithms 2.4)."""
    present = set(pieces)
    if not present <= set(scheme.meaning) or not all(group & present for group in scheme.needs):
        return False
    meant = {number: scheme.meaning[number] for number in present}
    if all(name in _NOT_SPINE for name in meant.values()):
        return False
    points = all(pieces[number].voxels < _MOST_POINT_VOXELS for number in present)
    if points or scheme.shape == "points":
        return points and scheme.shape == "points"
    if scheme.shape == "cord":
        return all(piece.section_mm2 < _CORD_MM2 for piece in pieces.values())
    named = {number: piece for number, piece in pieces.items() if meant[number].startswith("vertebra ")}
    if any(piece.height_mm > _MOST_HEIGHT_MM or piece.ml > _MOST_ML for number, piece in named.items() if meant[number] != "vertebra S1"):
        return False
    limits = {"spinal cord": _CORD_MM2, "thecal sac": _SAC_MM2}
    if any(pieces[number].section_mm2 > limits[name] for number, name in meant.items() if name in limits):
        return False
    if named and all(piece.section_mm2 < _LEAST_VERTEBRA_MM2 for piece in named.values()):
        return False
    thick = [pieces[a].thickness_mm / max(_apart(pieces[a], pieces[b]), 1.0) for a, b in _neighbours(meant, pieces)]
    return not thick or float(np.median(thick)) > _PLATE


def _neighbours(meant: Mapping[int, str], pieces: Mapping[int, Piece], whole: bool = True) -> list[tuple[int, int]]:
    """Pairs of numbers that are neighbouring vertebrae (or levels along the cord, or points at discs): whole ones, or any but slivers."""
    out = []
    for kind in ("vertebra ", "cord at ", "mark "):
        at = sorted((_rank(name), number) for number, name in meant.items() if name.startswith(kind))
        held = [(place, number) for place, number in at if kind != "vertebra " or _is_good(pieces[number], whole)]
        out += [(upper, lower) for (above, upper), (below, lower) in pairwise(held) if below - above <= 1.0]
    return out


def _is_good(piece: Piece, whole: bool) -> bool:
    return piece.ml > _LEAST_ML and not (whole and piece.cut)


def _explains(scheme: Scheme, pieces: Mapping[int, Piece]) -> int:
    """How many neighbours a scheme makes of the numbers that are there."""
    return len(_neighbours(_plain(scheme, pieces), pieces))


def _is_rather(first: Scheme, fitting: tuple[Scheme, float], pieces: Mapping[int, Piece]) -> bool:
    """Whether a map is rather one of the first scheme with its order destroyed than one of a scheme whose order it keeps."""
    more, less = _explains(first, pieces), _explains(fitting[0], pieces)
    return less < _HALF * more or (less < more and _misfit(_plain(first, pieces), pieces) < fitting[1])


def _rank(name: str) -> float:
    """The place from head to foot of what a name with a level stands for."""
    return rank(name.rsplit(" ", 1)[1].partition("-")[0])


def _apart(one: Piece, other: Piece) -> float:
    return float(np.linalg.norm(np.subtract(one.centre_mm, other.centre_mm)))


def _misfit(meant: Mapping[int, str], pieces: Mapping[int, Piece]) -> float:
    """How far the spacing of neighbours is from what their names lead one to expect: the logarithm of their ratio, its mean size.

    Where all are cut off by the map's ends their middles have moved together: only too wide a spacing tells then.
    """
    ratios = [_ratio(meant, pieces, pair) for pair in _neighbours(meant, pieces)]
    ratios = ratios or [max(1.0, _ratio(meant, pieces, pair)) for pair in _neighbours(meant, pieces, whole=False)]
    return float(np.abs(np.log(ratios)).mean()) if ratios else 0.0


def _ratio(meant: Mapping[int, str], pieces: Mapping[int, Piece], pair: tuple[int, int]) -> float:
    level = meant[pair[0]].rsplit(" ", 1)[1].partition("-")[0]
    usual = _UPPER_THORAX_MM if rank("T1") <= rank(level) < rank("T6") else _NEIGHBOURS_MM[level[0]]
    return _apart(pieces[pair[0]], pieces[pair[1]]) / usual


def _parts(scheme: Scheme, pieces: Mapping[int, Piece]) -> bool:
    """Whether a scheme names no vertebra among these numbers, and asks for some that are there."""
    return bool(scheme.needs) and not any(scheme.meaning[number].startswith("vertebra ") for number in pieces)


def _odd_spacing(meant: Mapping[int, str], pieces: Mapping[int, Piece], could_hold: Sequence[Scheme]) -> Refusal:
    upper, lower = _neighbours(meant, pieces, whole=False)[0]
    names = " and ".join(meant[number].rsplit(" ", 1)[1] for number in (upper, lower))
    apart = _apart(pieces[upper], pieces[lower])
    sentence = (
        f"By its numbers the label map holds {names}, but they lie {apart:.0f} mm apart in it: it may count vertebrae without naming them."
    )
    return WhoseNumbers(sentence, could_hold)


def _disorder(meant: Mapping[int, str], pieces: Mapping[int, Piece]) -> tuple[str, str] | None:
    """Two names of which the upper lies below the lower, or None."""
    for kind in ("vertebra ", "cord at ", "mark ", "disc "):
        held = [(_rank(name), number) for number, name in meant.items() if name.startswith(kind)]
        for (_, upper), (_, lower) in pairwise(sorted(held)):
            if pieces[lower].centre_mm[2] > pieces[upper].centre_mm[2] + _ORDER_MM:
                return meant[upper], meant[lower]
    return None


def _not_in_order(pair: tuple[str, str] | None) -> Refusal:
    assert pair is not None
    upper, lower = (name.removeprefix("vertebra ") for name in pair)
    return Refusal(
        f"The label map is not in order from head to foot: {lower} lies above {upper}.",
        "Check which program made it, and that it was not flipped or renumbered.",
    )


def _checked(meaning: Meaning, pieces: Mapping[int, Piece], scheme: Scheme | None) -> Meaning:
    """The meaning with its order, sides and spacing checked, and what goes by another name here."""
    disorder = _disorder(meaning.names, pieces)
    if disorder is not None:
        raise _not_in_order(disorder)
    if scheme is not None and _is_mirrored(scheme, pieces):
        raise Refusal("The label map is mirrored: what it calls left lies on the right.", "Give the map as the program wrote it.")
    names, notes = dict(meaning.names), list(meaning.notes)
    for upper, lower in _neighbours(meaning.names, pieces):
        apart = _apart(pieces[upper], pieces[lower])
        if not _LEAST_APART_MM <= apart <= _MOST_APART_MM:
            pair = " and ".join(meaning.names[number].rsplit(" ", 1)[1] for number in (upper, lower))
            notes.append(("levels", f"{pair} lie {apart:.0f} mm apart in the label map, which is unusual: check them."))
    for number, name in meaning.names.items():
        if name == "vertebra S1" and pieces[number].height_mm > _WHOLE_SACRUM_MM:
            names[number] = "bone other"
        elif name in ("vertebra T13", "vertebra L6"):
            notes.append(("levels", f"The label map counts a {name.removeprefix('vertebra ')}: check the names of the levels."))
    return Meaning(meaning.program, MappingProxyType(names), tuple(notes))


def _is_mirrored(scheme: Scheme, pieces: Mapping[int, Piece]) -> bool:
    """Whether what is left lies to the patient's right of what is right, by volume."""

    def middle(numbers: frozenset[int]) -> Floats | None:
        held = [pieces[number] for number in numbers if number in pieces]
        weight = sum(piece.ml for piece in held)
        return np.asarray(sum(np.array(piece.centre_mm) * piece.ml for piece in held) / weight) if weight > 20.0 else None

    left, right = middle(scheme.left), middle(scheme.right)
    return left is not None and right is not None and bool(left[0] < right[0])
