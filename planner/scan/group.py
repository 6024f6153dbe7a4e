"""Slices -> the volumes that they form: by series, then by geometry, and by time or acquisition only where positions demand it."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import combinations, pairwise

import numpy as np

from planner.scan.files import plain
from planner.scan.pixels import Undecodable, raw_bytes
from planner.scan.series import LEAST_SLICES, Skipped, Slice
from planner.scan.stack import SAME_PLACE_MM, Crooked, Stack, arrange, axes

MOST_ORIENTATIONS = 4
BETWEEN = " and "  # names of what tells volumes apart together
_MOST_SAID = 60  # letters of a value
_SAME_DIRECTION = 2e-3  # of a direction cosine: 0.1 degrees
_SAME_SPACING = 1e-3  # share


def by_series(slices: Iterable[Slice]) -> list[list[Slice]]:
    """Slices of one series together, in the order in which series appear. Without a UID: those of one folder and one frame."""
    groups: dict[tuple[str, ...], list[Slice]] = defaultdict(list)
    for one in slices:
        if one.series_uid:
            groups[one.series_uid, one.modality].append(one)
        else:
            folder = one.place.name.rpartition("/")[0]
            groups["", one.modality, folder, one.description, one.frame_of_reference].append(one)
    return list(groups.values())


def uid_of(slices: Sequence[Slice]) -> str:
    """The series UID; where the files give none, one derived from their content (PS3.5 B.2), the same wherever they lie."""
    if slices[0].series_uid:
        return slices[0].series_uid
    seen = hashlib.blake2b(digest_size=12)
    for one in sorted(slices, key=lambda one: (one.position or (), one.image_uid, one.pixels.frame)):
        seen.update(repr((one.position, one.along_row, one.along_column, one.pixels.rows, one.pixels.columns)).encode())
    first = min(slices, key=lambda one: (one.position or (), one.image_uid, one.pixels.frame))
    try:
        seen.update(raw_bytes(first))
    except Undecodable:
        seen.update(first.image_uid.encode())
    return f"2.25.{int.from_bytes(seen.digest(), 'big')}"


def without_copies(slices: Sequence[Slice]) -> tuple[list[Slice], int]:
    """Slices without those that are the same image again, and how many were left out.

    The same image: one place, and one UID or equal pixels.
    """
    crowd = Counter(_where(one) for one in slices)
    kept: list[Slice] = []
    seen: set[object] = set()
    for one in slices:
        # some writers give one UID to all slices: alone it proves nothing
        marks: list[object] = [(one.image_uid, one.pixels.frame, one.position)] if one.image_uid else []
        if one.position is not None and crowd[_where(one)] > 1:
            with suppress(Undecodable):
                marks.append((_where(one), hashlib.blake2b(raw_bytes(one), digest_size=16).digest()))
        if not seen.intersection(marks):
            kept.append(one)
        seen.update(marks)
    return kept, len(slices) - len(kept)


def _where(one: Slice) -> object:
    return one.position, one.along_row, one.along_column, one.pixels.rows, one.pixels.columns, one.pixels.syntax, one.apart


def without_localizers(slices: Sequence[Slice]) -> tuple[list[Slice], list[Skipped]]:
    """A series without the localizers that lie among its slices."""
    others = [one for one in slices if not one.localizer]
    if not others or len(others) == len(slices):
        return list(slices), []
    return others, [Skipped(one.place.name, "A localizer among the slices of a series: left out.") for one in slices if one.localizer]


def by_geometry(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Split a series where slices cannot lie in one grid: size, spacing, orientation, frame of reference, stack."""
    groups: list[list[Slice]] = []
    told_apart = frames_matter(slices)
    for one in slices:
        for group in groups:
            if _one_grid(group[0], one) and not (told_apart and group[0].frame_of_reference != one.frame_of_reference):
                group.append(one)
                break
        else:
            groups.append([one])
    if len(groups) > MOST_ORIENTATIONS and max(map(len, groups)) < LEAST_SLICES:
        return [list(slices)]  # a fan or a survey: one line in the list, not one a picture
    return groups


def frames_matter(slices: Sequence[Slice]) -> bool:
    """Whether frames of reference hold volumes of their own. Some archives write a new one for every slice, which says nothing."""
    return max(Counter(one.frame_of_reference for one in slices).values()) >= LEAST_SLICES


def one_grid(slices: Sequence[Slice]) -> bool:
    """Whether all slices have one size, spacing and orientation."""
    return all(_one_grid(slices[0], one) for one in slices)


def _one_grid(a: Slice, b: Slice) -> bool:
    if (a.pixels.rows, a.pixels.columns, a.stack) != (b.pixels.rows, b.pixels.columns, b.stack):
        return False
    if (a.position is None) != (b.position is None):
        return False
    return (
        _near((a.row_mm, a.column_mm), (b.row_mm, b.column_mm), _SAME_SPACING * (a.row_mm or 1.0))
        and _near(a.along_row, b.along_row, _SAME_DIRECTION)
        and _near(a.along_column, b.along_column, _SAME_DIRECTION)
    )


def _near(a: Sequence[float | None] | None, b: Sequence[float | None] | None, within: float) -> bool:
    if a is None or b is None:
        return a is b
    return all((x is None and y is None) or (x is not None and y is not None and abs(x - y) <= within) for x, y in zip(a, b))


def by_time(slices: Sequence[Slice]) -> tuple[list[list[Slice]], str]:
    """Split slices of one grid into the volumes that lie in the same place, and what they differ in; one volume where they form one.

    Tried only where positions repeat or steps are uneven; taken only when every volume that comes out is even, and they overlap.
    """
    if len(slices) < 2 * LEAST_SLICES or _is_even(slices):
        return [list(slices)], ""
    names = [name for name, _ in slices[0].apart]
    keys = [(n,) for n in range(len(names))] + list(combinations(range(len(names)), 2))
    for key in keys:
        groups: dict[tuple[str, ...], list[Slice]] = defaultdict(list)
        for one in slices:
            groups[tuple(one.apart[n][1] for n in key)].append(one)
        if _are_volumes(list(groups.values())):
            return list(groups.values()), BETWEEN.join(names[n] for n in key)
    turns = by_turn(slices)
    if len({len(turn) for turn in turns}) == 1 and _are_volumes(turns):
        return turns, "the order of their image numbers"
    return [list(slices)], ""


def _are_volumes(groups: Sequence[Sequence[Slice]]) -> bool:
    return len(groups) > 1 and all(len(group) >= LEAST_SLICES and _is_even(group) for group in groups) and _overlap(groups)


def value_words(volume: Sequence[Slice], names: str) -> str:
    """` (echo time 80)`: the values of a volume in what `by_time` says that it is told apart by; empty where it has none."""
    values = [f"{name} {plain(value)[:_MOST_SAID]}" for name, value in volume[0].apart if name in names.split(BETWEEN) and value]
    return f" ({', '.join(values)})" if values else ""


def by_turn(slices: Sequence[Slice]) -> list[list[Slice]]:
    """The first image of every place, the second, and so on, by image number."""
    places: dict[object, int] = defaultdict(int)
    turns: dict[int, list[Slice]] = defaultdict(list)
    for one in sorted(slices, key=lambda one: one.number or 0):
        turns[places[one.position]].append(one)
        places[one.position] += 1
    return list(turns.values())


def _is_even(slices: Sequence[Slice]) -> bool:
    stack = stack_of(slices)
    return stack is None or (stack.even and stack.distance_mm > SAME_PLACE_MM)


def _overlap(volumes: Sequence[Sequence[Slice]]) -> bool:
    """Whether some of the volumes lie in one another; stacks that follow one another are no volumes of different times."""
    spans = []
    for volume in volumes:
        stack = stack_of(volume)
        if stack is not None:
            along = stack.positions_mm @ stack.normal
            spans.append((along.min(), along.max()))
    spans.sort()
    return any(after[0] < before[1] for before, after in pairwise(spans))


def stack_of(slices: Sequence[Slice]) -> Stack | None:
    """How slices of one orientation lie along their normal; None where they do not say it."""
    first = slices[0]
    if any(one.position is None for one in slices) or first.along_row is None or first.along_column is None:
        return None
    try:
        normal = axes(first.along_row, first.along_column)[2]
    except Crooked:
        return None
    return arrange(np.array([one.position for one in slices], dtype=np.float64), normal)
