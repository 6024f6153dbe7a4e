"""Scans that are one file beside NIfTI: NRRD and MetaImage, whole, packed, in two files, and those that cannot be trusted."""

import gzip
import hashlib

import numpy as np
import pytest
import SimpleITK

from planner.geometry import Frame
from planner.refusal import Refusal
from planner.scan import Place, choose, load, read
from planner.scan.images import compact, read_image
from tests.planner.scan.writer import hu

FRAME = Frame((20, 48, 40), np.array([[0.0, 0.1, 1.5, -30.0], [0.0, 1.4, -0.1, -34.0], [2.0, 0.0, 0.0, -20.0], [0, 0, 0, 1.0]]))
"""Turned a little about the long axis."""


def write(path, left_handed=False, compressed=False):
    """A scan whose voxels are a function of the world."""
    turned = np.diag([1.0, 1.0, -1.0, 1.0])
    turned[2, 3] = FRAME.shape[2] - 1
    affine = FRAME.affine @ (turned if left_handed else np.eye(4))
    at = np.stack(np.meshgrid(*(np.arange(n) for n in FRAME.shape), indexing="ij"), axis=-1)
    image = SimpleITK.GetImageFromArray(hu(at @ affine[:3, :3].T + affine[:3, 3]).astype(np.int16))
    lengths = np.linalg.norm(affine[:3, :3], axis=0)[::-1]
    image.SetSpacing(lengths.tolist())
    image.SetDirection((affine[:3, 2::-1] / lengths).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    SimpleITK.WriteImage(image, str(path), useCompression=compressed)
    return path


@pytest.mark.parametrize("left_handed", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
def test_every_kind_lies_where_it_was_written(tmp_path, name, compressed, left_handed):
    write(tmp_path / name, left_handed, compressed)
    series = choose(read(tmp_path / name))
    assert series.modality == "CT" and series.size == FRAME.shape
    volume = load(series)
    assert volume.frame.is_axial
    inside = volume.frame.to_world(np.argwhere(volume.values() > 600))
    # the dense bar lies to the left, whatever the handedness
    assert inside.mean(axis=0)[:2] == pytest.approx([14, 0], abs=1.0)
    assert len(inside) * abs(np.linalg.det(volume.frame.affine)) == pytest.approx(12 * 40 * 40, rel=0.15)


def test_a_folder_with_a_header_and_its_voxels_is_one_scan(tmp_path):
    write(tmp_path / "a.mhd")
    scan = read(tmp_path)
    assert [one.description for one in scan.series] == ["MetaImage"]
    assert [one.path for one in scan.skipped] == ["a.raw"]


@pytest.mark.parametrize("name", ["a.mhd", "a.nhdr"])
def test_voxels_elsewhere_are_not_fetched(tmp_path, name):
    inner = tmp_path / "inner"
    inner.mkdir()
    write(tmp_path / name)
    raw = next(path.name for path in tmp_path.iterdir() if path.suffix in (".raw", ".gz"))
    text = (tmp_path / name).read_text().replace(raw, f"../{raw}")
    (inner / name).write_text(text)
    with pytest.raises(Refusal, match="does not lie beside"):
        read(inner / name)


@pytest.mark.parametrize("name, line", [("a.nrrd", "space"), ("a.mha", "TransformMatrix")])
def test_a_file_that_does_not_say_how_it_lies_is_refused(tmp_path, name, line):
    """SimpleITK would take its axes for those of the patient: a plausible wrong side."""
    path = write(tmp_path / name)
    head, voxels = path.read_bytes()[:600], path.read_bytes()[600:]
    kept = b"\n".join(row for row in head.split(b"\n") if not row.startswith(line.encode()))
    if name == "a.nrrd":
        kept = kept.replace(b"kinds:", b"spacings: 1.5 1.4 2\nkinds:")
    path.write_bytes(kept + voxels)
    series = read(path).series[0]
    assert series.verdict == "refused" and "no orientation" in series.reasons[0]


def test_more_is_promised_than_is_there(tmp_path):
    path = write(tmp_path / "a.mha")
    path.write_bytes(path.read_bytes().replace(b"DimSize = 40 48 20", b"DimSize = 4000 4800 2000"))
    with pytest.raises(Refusal, match="promises more"):
        read(path)


def test_a_packed_file_of_nothing(tmp_path):
    """A few kilobytes that would fill the memory."""
    head = b"NRRD0004\ntype: short\ndimension: 3\nspace: lps\nsizes: 60000 60000 60000\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n"
    head += b"endian: little\nencoding: gzip\nspace origin: (0,0,0)\n\n"
    (tmp_path / "a.nrrd").write_bytes(head + gzip.compress(bytes(100_000)))
    with pytest.raises(Refusal, match="promises more"):
        read(tmp_path / "a.nrrd")


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_a_file_that_breaks_off(tmp_path, name):
    path = write(tmp_path / name)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(Refusal, match=r"promises more|breaks off"):
        read(path)


def at_once(voxels):
    """As `compact` says, without regard to memory."""
    values = voxels.astype(np.float32) if voxels.dtype.kind == "f" else voxels
    finite = np.isfinite(values)
    values = np.where(finite, values, values[finite].min() if finite.any() else 0)
    whole = np.array_equal(values, np.rint(values))
    return values, whole and values.min() >= -32768 and values.max() <= 32767


HELD = {
    (0, 1, 100): ("i1", "u1", "<i2", "<u2", "<i4", "<u4", "<f4", "<f8"),
    (0, 1, 60000): ("<u2", "<i4", "<u4", "<f4", "<f8"),
    (-5, 0, 2): ("i1", "<i2", "<i4", "<f4", "<f8"),
    (0.5, 1, 2): ("<f4", "<f8"),
    (np.nan, -3, 7): ("<f4", "<f8"),
    (np.nan, 0.25, 9): ("<f4", "<f8"),
    (-np.inf, 3, 4): ("<f4", "<f8"),
    (np.nan,): ("<f4", "<f8"),
}


@pytest.mark.parametrize(("values", "kind"), [(values, kind) for values, kinds in HELD.items() for kind in kinds])
def test_voxels_are_made_compact_without_a_change(values, kind):
    voxels = np.resize(np.array(values, dtype=kind), (3, 4, 5))
    made, (wanted, short) = compact(voxels), at_once(voxels)
    assert np.array_equal(made, wanted)
    assert made.dtype == (np.int16 if short else np.float32 if made.dtype.kind == "f" else np.dtype(kind))


def test_the_name_of_one_file_stays_what_it_was(tmp_path):
    """Cases are bound to scans by it: it may not change with how a file is read."""
    path = write(tmp_path / "a.mha")
    image = read_image(Place(path, path.name))
    seen = hashlib.blake2b(np.ascontiguousarray(image.voxels).tobytes(), digest_size=12)
    seen.update(repr((image.frame.shape, 1.0, 0.0)).encode() + np.round(image.frame.affine, 6).tobytes())
    assert choose(read(path)).uid == f"2.25.{int(seen.hexdigest(), 16)}"
