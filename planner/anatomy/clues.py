"""What in a CT tells which vertebra is which: the sacrum's wings, the last ribs, the skull; and how sure each of them makes a name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from planner.anatomy.labels import LEVELS
from planner.anatomy.levels import Body
from planner.anatomy.reformat import Curve, in_sections
from planner.anatomy.spine import Anchor
from planner.evidence import number
from planner.geometry import Floats, Volume

_WINGS = 0.4  # S1 of the phantoms 0.8, L5 0.1
_HIPS = 0.06
_TOP_MM = 3.0  # how far above where the wings begin the middle of S1 may seem to lie
_OVER_MM, _END_TO_C2_MM = 8.0, 35.0  # what of the scan lies above a canal that ends at the skull; from there to the middle of C2
_SKULL, _NECK_MM, _FLOOR_TO_C2_MM = 0.15, 90.0, 25.0  # share of bone behind and beside the canal; the dens is 38 mm with its body
_RIB_IN_MM, _RIB_OUT_MM = 40.0, 60.0  # where a rib begins beside the canal at the latest, and how far out no transverse process reaches
_RIB_LONG_MM = 60.0  # along the canal: a rib that is seen between these is shorter, the hip bone is longer
_LUMBAR = 4  # vertebrae at least between the last ribs and the sacrum
_RIB_LEAST = 40  # samples of 2 x 2 x 1 mm
_NECK_DEPTH_MM, _NECK_GAP_MM = 22.0, 24.0  # bodies of a neck are less deep, and less far apart
_AS_DEEP = (0.7, 1.4)  # from one vertebra to the next, of the depth of a body: else they are not counted right
_END_MM = 4.0  # what comes so near to the end of the canal may be cut
_MOST = 0.93  # how sure two clues that agree can be: some people have other numbers of vertebrae
_AT_ODDS = 0.3  # how sure a name is that another clue speaks against
_HARDLY = 0.15  # of a name that is as likely one vertebra off: no name is told by it


@dataclass(frozen=True)
class Clue:
    """Number `at` of the vertebrae in view is `name`, how sure that is, and what says it."""

    at: int
    name: str
    sure: float
    why: str

    @property
    def first(self) -> int:
        """The place of the first vertebra in view among the usual names."""
        return LEVELS.index(self.name) - self.at


def guess(search: Volume, bone: Volume, curve: Curve, found: list[Body], depth_mm: float) -> Anchor:
    """The program's own name for one vertebra, with an honest confidence. Clues that agree make each other surer; one that is at odds with
    the rest is told, for it may be a transitional vertebra.

    bone: the mask of bone (0 or 1) on the search grid. depth_mm: of the deepest quarter of the bodies, from back to front.
    """
    usual = 1.0 - number("anatomy.transitional_share")
    neck = depth_mm < _NECK_DEPTH_MM and _spacing(found) < _NECK_GAP_MM
    if len(found) > 1 and not _AS_DEEP[0] <= _spacing(found) / depth_mm <= _AS_DEEP[1]:
        told: tuple[Clue | None, ...] = ()
    elif neck:
        told = (_skull(bone, curve, found),)
    else:
        told = (_sacrum(bone, curve, found, usual), _last_ribs(search, bone, curve, found, usual))
    clues = [clue for clue in told if clue]
    if not clues:
        return _anchor(_by_size(found, neck), found)
    best = max(clues, key=lambda clue: clue.sure)
    against = [clue for clue in clues if clue.first != best.first]
    why = " and ".join(clue.why for clue in clues if clue.first == best.first)
    if against:
        others = " and ".join(f"{clue.why} would make it {_called(clue.first + best.at)}" for clue in against)
        return _anchor(Clue(best.at, best.name, min(best.sure, _AT_ODDS), f"{why}; {others}"), found)
    doubt = float(np.prod([1.0 - clue.sure for clue in clues]))
    return _anchor(Clue(best.at, best.name, best.sure if len(clues) == 1 else min(1.0 - doubt, _MOST), why), found)


def _anchor(clue: Clue, found: list[Body]) -> Anchor:
    return Anchor(clue.name, found[clue.at][1], "program", round(clue.sure, 2), why=clue.why)


def _called(place: int) -> str:
    return LEVELS[min(max(place, 0), len(LEVELS) - 1)]


def _spacing(found: list[Body]) -> float:
    """The usual way from one vertebra to the next."""
    return float(np.median(np.diff([body[0] for body in found]))) if len(found) > 1 else 30.0


def _sacrum(bone: Volume, curve: Curve, found: list[Body], usual: float) -> Clue | None:
    """S1 by the sacrum's wings, or L5 by the wings or the hip bones that begin below the last vertebra in view."""
    spacing = _spacing(found)
    if spacing <= 23.0:
        return None
    longer = _prolonged(curve, 45.0)
    wings, s, last = ndimage.uniform_filter1d(_wings(bone, longer), 5), longer.s_mm, len(found) - 1
    begins = next((n for n in range(len(s)) if wings[n] > _WINGS and s[n] > found[0][0]), None)
    if begins is not None:  # they begin at the top of S1, some way above its middle and far below that of L5
        sacral = next((n for n, body in enumerate(found) if body[0] > s[begins] - _TOP_MM), None)
        if sacral is not None and sacral > 0:
            step = float(wings[begins : begins + 10].max() - np.median(wings[max(0, begins - 20) : max(1, begins - 8)]))
            return Clue(sacral, "S1", 0.9 * usual * float(np.clip(step / 0.5, 0.3, 1.0)), "the wings of the sacrum")
    beyond = wings[(s > found[-1][0] + 0.4 * spacing) & (s < found[-1][0] + 1.4 * spacing)]
    if (begins is None or s[begins] > found[-1][0]) and len(beyond) and float(beyond.max()) > 0.7 * _WINGS:
        return Clue(last, "L5", 0.8 * usual, "the wings of the sacrum")
    hips = _share_beside(bone, longer, (60.0, 110.0), (-40.0, 50.0), 5.0)
    low = hips[(s > found[-1][0] - 5.0) & (s < found[-1][0] + 0.6 * spacing)]
    flank = hips[(s > found[0][0]) & (s < found[-1][0] - 1.5 * spacing)]
    if spacing > 25.0 and len(low) and len(flank) and float(low.max()) > _HIPS and float(flank.min()) < 0.2 * _HIPS:
        return Clue(last, "L5", 0.55 * usual, "the hip bones")
    return None


def _last_ribs(search: Volume, bone: Volume, curve: Curve, found: list[Body], usual: float) -> Clue | None:
    """T12 as the last vertebra with ribs, where the scan shows both sides of one below it that has none."""
    if len(found) < 2 or _spacing(found) < 19.0:
        return None
    borne = np.array([_ribs(bone, curve, found, sign) for sign in (1.0, -1.0)])  # (2, bodies): 1 a rib, 0 none, NaN not known
    ribbed = (borne == 1).any(axis=0)
    last = next((n for n in range(len(found) - 1) if ribbed[n] and not ribbed[n + 1]), None)
    if last is None or not (borne[:, last + 1] == 0).all() or not _is_wide(search, curve, found[last + 1]):
        return None
    if ribbed[last + 1 : last + 1 + _LUMBAR].any():  # the hips, which a scan may cut into something like a rib, lie lower
        return None
    both = bool((borne[:, last] == 1).all())
    above = [bool((borne[:, n] == 1).all()) for n in range(max(0, last - 2), last)]
    return Clue(last, "T12", (0.85 if both else 0.6) * usual * (1.0 if all(above) else 0.7), "the last ribs")


def _ribs(bone: Volume, curve: Curve, found: list[Body], sign: float) -> Floats:
    """(bodies,): whether a rib leaves each vertebra on one side: 1, 0, or NaN where the end of the canal cuts what may be one."""
    u, v = np.arange(36.0, 75.0, 2.0), np.arange(-30.0, 46.0, 2.0)
    shape = (len(curve.points_mm), len(v), len(u))
    block = in_sections(bone, curve, np.broadcast_to(sign * u, shape), np.broadcast_to(v[:, None], shape)) > 0.4
    pieces, _ = ndimage.label(block, np.ones((3, 3, 3)))
    s, places = curve.s_mm, np.array([body[0] for body in found])
    out = np.zeros(len(found))
    for number_of, box in enumerate(ndimage.find_objects(pieces), start=1):
        at = np.argwhere(pieces[box] == number_of) + [side.start for side in box]
        beside = u[at[:, 2]]
        along = s[at[:, 0].min()], s[at[:, 0].max()]
        if len(at) < _RIB_LEAST or beside.min() > _RIB_IN_MM or along[1] - along[0] > _RIB_LONG_MM:
            continue
        begins = float(np.median(s[at[beside <= beside.min() + 4.0, 0]]))
        body = int(np.abs(places - begins).argmin())
        if beside.max() >= _RIB_OUT_MM:
            out[body] = 1.0
        elif out[body] == 0.0 and (along[1] > s[-1] - _END_MM or along[0] < s[0] + _END_MM):
            out[body] = np.nan
    return out


def _is_wide(search: Volume, curve: Curve, body: Body) -> bool:
    """Whether the scan shows what lies beside a vertebra on both sides as far as ribs are told by."""
    at = int(np.abs(curve.s_mm - body[0]).argmin())
    across = np.array([[1.0], [-1.0]]) * (_RIB_OUT_MM + 4.0) * curve.left[at]
    return bool(search.frame.contains(curve.points_mm[at] + across).all())


def _skull(bone: Volume, curve: Curve, found: list[Body]) -> Clue | None:
    """C2 in a neck below the floor of the skull, or where the canal ends inside the scan, which it does at the skull."""
    if len(found) < 3:
        return None
    s, over_mm = curve.s_mm, (bone.frame.shape[0] - 1) * bone.frame.spacing_mm[0] + bone.frame.affine[2, 3] - curve.points_mm[0, 2]
    floor = np.flatnonzero((_share_beside(bone, curve, (15.0, 45.0), (20.0, 60.0), 4.0) > _SKULL) & (s < _NECK_MM))
    if len(floor):
        return Clue(_nearest(found, float(s[floor[-1]]) + _FLOOR_TO_C2_MM), "C2", 0.45, "the floor of the skull")
    return Clue(_nearest(found, _END_TO_C2_MM), "C2", _HARDLY, "the skull") if over_mm > _OVER_MM else None


def _nearest(found: list[Body], s_mm: float) -> int:
    return min(range(len(found)), key=lambda n: abs(found[n][0] - s_mm))


def _by_size(found: list[Body], neck: bool) -> Clue:
    """A name by how far apart the vertebrae lie, which hardly tells any."""
    if neck and len(found) >= 3:
        return Clue(0, "C4", _HARDLY, "how near the vertebrae lie to each other")
    lengths = np.array([22.0, 23.5, 24.5, 25.5, 27.0, 29.5, 32.0, 34.0, 35.0, 36.0])  # disc to disc, T7 to L4 (algorithms 2.1)
    likely = int(np.abs(lengths - (found[-1][0] - found[-2][0])).argmin()) + LEVELS.index("T7") if len(found) > 1 else LEVELS.index("T12")
    likely = min(max(likely, len(found) - 1), LEVELS.index("L5"))
    return Clue(len(found) - 1, LEVELS[likely], _HARDLY, "how far apart the vertebrae lie")


def _wings(bone: Volume, curve: Curve) -> Floats:
    """(n,): how much bone fills the place of the sacrum's wings, which no other vertebra has."""
    return _share_beside(bone, curve, (30.0, 46.0), (-30.0, -4.0), 2.0)


def _share_beside(bone: Volume, curve: Curve, beside_mm: tuple[float, float], back_mm: tuple[float, float], step_mm: float) -> Floats:
    """(n,): share of bone in a box beside the canal (to the side, to the back; from, to), the lesser of both sides."""
    n = len(curve.points_mm)
    u, v = np.arange(beside_mm[0], beside_mm[1] + 0.1, step_mm), np.arange(back_mm[0], back_mm[1] + 0.1, step_mm)
    shape = (n, len(v), len(u))
    sides = []
    for sign in (1.0, -1.0):
        block = in_sections(bone, curve, np.broadcast_to(sign * u, shape), np.broadcast_to(v[:, None], shape))
        sides.append((block > 0.3).mean(axis=(1, 2)))
    return np.minimum(*sides)


def _prolonged(curve: Curve, length_mm: float) -> Curve:
    """The curve gone on straight at its foot end, past where the canal could be followed."""
    steps = np.arange(1.0, length_mm + 0.5)[:, None]
    more = len(steps)
    return Curve(
        np.concatenate([curve.points_mm, curve.points_mm[-1] + steps * curve.tangent[-1]]),
        np.concatenate([curve.left, np.tile(curve.left[-1], (more, 1))]),
        np.concatenate([curve.back, np.tile(curve.back[-1], (more, 1))]),
        np.concatenate([curve.tangent, np.tile(curve.tangent[-1], (more, 1))]),
    )
