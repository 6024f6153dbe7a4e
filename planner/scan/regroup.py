"""Other ways to put the slices of a series together, each judged like any other series: what a person may choose instead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from planner.progress import Progress, part, silent
from planner.refusal import Refusal
from planner.scan.files import plain
from planner.scan.group import (
    BETWEEN,
    by_geometry,
    by_series,
    by_time,
    by_turn,
    frames_matter,
    stack_of,
    uid_of,
    value_words,
    without_copies,
    without_localizers,
)
from planner.scan.grouping import AS_ONE, BY_PLACE, BY_RANGES, BY_RUN, BY_TURN, Grouping, Ranges
from planner.scan.judge import judge, refused
from planner.scan.reading import with_pixels_tried
from planner.scan.series import LEAST_SLICES, Scan, Series, Slice

MOST_VOLUMES = 200  # of one way: more are no volumes
_TELLING = ("time point", "echo time", "b-value", "kind of image")  # slices that differ in these show different things
_MOST_SAID = 24  # letters of a value
_CHANGED = "Open the scan again, and group it anew."


@dataclass(frozen=True)
class Offer:
    """A way to group a series, None for what the program found, and the volumes that it gives, those that can be loaded first."""

    grouping: Grouping | None
    series: tuple[Series, ...]


def numbered(scan: Scan, uid: str) -> tuple[Slice, ...]:
    """All slices of a series in the order in which ranges count them: by orientation, along the normal of each, localizers last.

    It depends on what the slices say, not on how their files are called. Copies are left out. Raises Refusal for a scan that is one file.
    """
    groups = [group for group in by_series(scan.slices) if (group[0].series_uid or uid_of(group)) == uid]
    if not groups:
        raise Refusal("There are no slices to group: the series is one file, or is not there.", "Choose a series of DICOM files.")
    unique, _ = without_copies(sorted((one for group in groups for one in group), key=_name))
    body, _ = without_localizers(unique)
    inside = {id(one) for one in body}
    ordered: list[Slice] = []
    for some in (body, [one for one in unique if id(one) not in inside]):
        for place in sorted(by_geometry(some) if some else [], key=lambda place: (-len(place), _name(place[0]))):
            stack = stack_of(place)
            ordered += place if stack is None else [place[n] for n in stack.order]
    return tuple(ordered)


def _name(one: Slice) -> tuple[int, str, int, str]:
    return one.number or 0, one.image_uid, one.pixels.frame, one.place.name


def ways(slices: Sequence[Slice]) -> tuple[Grouping, ...]:
    """The ways to group numbered slices that differ from one another and from what the program does by itself."""
    body, _ = without_localizers(slices)
    varying = [name for n, (name, _) in enumerate(body[0].apart) if len({one.apart[n][1] for one in body}) > 1]
    names = [*varying, *(BETWEEN.join(pair) for pair in combinations(varying, 2))]
    wanted = [Grouping(by) for by in (AS_ONE, BY_PLACE, *names, BY_TURN, BY_RUN)]
    seen = {_division([volume for place in by_geometry(body) for volume in by_time(place)[0]])}
    offered = []
    for one in wanted:
        volumes = divided(slices, one)
        division = _division(volumes)
        if division not in seen and len(volumes) <= MOST_VOLUMES and max(map(len, volumes)) >= LEAST_SLICES:
            offered.append(one)
        seen.add(division)
    return tuple(offered)


def _division(volumes: Sequence[Sequence[Slice]]) -> frozenset[frozenset[int]]:
    return frozenset(frozenset(map(id, volume)) for volume in volumes)


def divided(slices: Sequence[Slice], grouping: Grouping) -> list[list[Slice]]:
    """The volumes that a grouping makes of numbered slices, in their order. Raises Refusal where it does not fit them."""
    out = set(_counted(grouping.without, len(slices)))
    if grouping.by == BY_RANGES:
        ranges = [_counted((one,), len(slices)) for one in grouping.ranges]
        volumes = [[slices[n] for n in numbers if n not in out] for numbers in ranges]
    else:
        kept = [one for n, one in enumerate(slices) if n not in out]
        body, _ = without_localizers(kept) if kept else ([], [])
        volumes = _divided(body, grouping.by) if body else []
    volumes = [volume for volume in volumes if volume]
    if not volumes:
        raise Refusal("No slices are left.", "Give at least one range, and leave some slices in.")
    return volumes


def _counted(ranges: Ranges, count: int) -> list[int]:
    numbers = [n for first, last in ranges for n in range(first - 1, last)]
    if numbers and not 0 <= min(numbers) <= max(numbers) < count:
        raise Refusal(f"The series has {count} slices, fewer than when it was grouped.", _CHANGED)
    return list(dict.fromkeys(numbers))


def _divided(body: list[Slice], by: str) -> list[list[Slice]]:
    if by == AS_ONE:
        return [body]
    places = by_geometry(body)
    if by == BY_PLACE:
        return places
    if by == BY_TURN:
        return [turn for place in places for turn in by_turn(place)]
    if by == BY_RUN:
        return [run for place in places for run in _runs(place)]
    names = [name for name, _ in body[0].apart]
    wanted = by.split(BETWEEN)
    if not set(wanted) <= set(names):
        raise Refusal(f"The slices do not say what they are grouped by: {plain(by)[:_MOST_SAID]}.", _CHANGED)
    groups: dict[tuple[str, ...], list[Slice]] = defaultdict(list)
    for one in body:
        groups[tuple(one.apart[names.index(name)][1] for name in wanted)].append(one)
    return [place for group in groups.values() for place in by_geometry(group)]


def _runs(place: list[Slice]) -> list[list[Slice]]:
    """The even runs of a stack, and what is in none."""
    stack = stack_of(place)
    if stack is None or not stack.blocks:
        return [place]
    inside = {n for start, stop in stack.blocks for n in range(start, stop)}
    rest = [place[n] for at, n in enumerate(stack.order) if at not in inside]
    runs = [[place[n] for n in stack.order[start:stop]] for start, stop in sorted(stack.blocks)]
    return [*runs, rest] if rest else runs


def regrouped(scan: Scan, uid: str, grouping: Grouping, progress: Progress = silent) -> tuple[Series, ...]:
    """The volumes of a series grouped so, judged as `read` judges them, those that can be loaded first. Reads one slice of each.

    The grouping stands among the repairs of each. Raises Refusal where the series has no slices, or not those that the grouping names.
    """
    return _judged(numbered(scan, uid), uid, grouping, progress)


def _judged(slices: Sequence[Slice], uid: str, grouping: Grouping, progress: Progress) -> tuple[Series, ...]:
    volumes, told_apart = divided(slices, grouping), frames_matter(slices)
    found: list[Series] = []
    for n, volume in enumerate(volumes):
        progress(n / len(volumes), "Checking series")
        which = f", volume {n + 1} of {len(volumes)}" if len(volumes) > 1 else ""
        said = f"Grouped by hand, {grouping.words}{which}{value_words(volume, grouping.by)}."
        # what the files call a stack is what the person has just decided
        judged = judge([replace(one, stack="") for one in volume], uid, (said,))
        found += [with_pixels_tried(_remarked(one, volume, told_apart)) for one in judged]
    found.sort(key=lambda one: (not one.usable, -one.slices))  # stable: else in their order
    return tuple(replace(one, part=n, grouping=grouping) for n, one in enumerate(found))


def _remarked(series: Series, volume: Sequence[Slice], told_apart: bool) -> Series:
    """Refused where places cannot be compared; with a note where a person has put different things into one volume.

    told_apart: the series has frames of reference of which each holds a volume.
    """
    if told_apart and len({one.frame_of_reference for one in volume}) > 1:
        sentence = "The slices have different frames of reference: where they lie to one another cannot be known."
        return refused(series, (sentence,), "Group it so that each volume has one.")
    kinds = sorted({one.modality for one in volume})
    if len(kinds) > 1:
        return refused(series, (f"The slices are of different kinds: {' and '.join(kinds)}.",), "Group it so that each volume has one.")
    mixed = [name for n, (name, _) in enumerate(volume[0].apart) if name in _TELLING and len({one.apart[n][1] for one in volume}) > 1]
    if not mixed or not series.usable:
        return series
    note = f"Its slices differ in {' and '.join(mixed)}: they may not show the same thing."
    return replace(series, reasons=(*series.reasons, note), notes=(*series.notes, note))


def with_grouping(scan: Scan, uid: str, grouping: Grouping, progress: Progress = silent) -> Scan:
    """The scan with the volumes of a series grouped so beside those that it has. Raises Refusal like `regrouped`."""
    if any((one.uid, one.grouping) == (uid, grouping) for one in scan.series):
        return scan
    return replace(scan, series=(*scan.series, *regrouped(scan, uid, grouping, progress)))


def offers(scan: Scan, uid: str, progress: Progress = silent) -> tuple[Offer, ...]:
    """Every way to group a series with what it would give; the first is what the program found."""
    slices = numbered(scan, uid)
    made = [Offer(None, tuple(one for one in scan.series if one.uid == uid and one.grouping is None))]
    wanted = ways(slices)
    for n, one in enumerate(wanted):
        made.append(Offer(one, _judged(slices, uid, one, part(progress, n / len(wanted), (n + 1) / len(wanted)))))
    return tuple(made)
