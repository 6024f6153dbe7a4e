"""Label maps as files: the same labels come back from every format, with their names, on their own grid; what is broken is refused."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from planner.geometry import Frame, write_nifti
from planner.refusal import Refusal
from planner.scan.label_files import LabelFile, read_label_file
from tests.data import real

AFFINE = np.array([[0.0, 0.0, 1.5, -20.0], [0.0, 1.2, 0.0, -30.0], [2.0, 0.0, 0.0, 100.0], [0.0, 0.0, 0.0, 1.0]])
NAMES = {3: "vertebra L3", 4: "vertebra L4", 9: "spinal cord"}


def labels() -> NDArray[np.uint8]:
    out = np.zeros((12, 14, 16), dtype=np.uint8)
    out[7:11, 2:7, 3:9], out[1:5, 2:7, 4:10], out[:, 8:10, 6:8] = 3, 4, 9
    return out


def frame() -> Frame:
    return Frame(labels().shape, AFFINE)


def itk(voxels: NDArray[Any]) -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(voxels, isVector=voxels.ndim == 4)
    image.SetOrigin(AFFINE[:3, 3].tolist())
    image.SetSpacing((1.5, 1.2, 2.0))
    return image


def segments(image: SimpleITK.Image, told: Sequence[tuple[str, int, int]]) -> SimpleITK.Image:
    for n, (name, value, layer) in enumerate(told):
        for key, text in (("ID", f"Segment_{n}"), ("Name", name), ("LabelValue", str(value)), ("Layer", str(layer))):
            image.SetMetaData(f"Segment{n}_{key}", text)
        image.SetMetaData(
            f"Segment{n}_Tags", "Segmentation.Status:inprogress|TerminologyEntry:Any~SCT^123037004^Anatomical Structure~SCT^1^Any|"
        )
    return image


def dicom_seg(path: Path, masks: dict[int, NDArray[np.bool_]], kind: str = "BINARY") -> Path:
    """A segmentation object of whole frames that hold something, in an order that is not that of the slices."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    labelmap = kind == "LABELMAP"
    data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.7" if labelmap else "1.2.840.10008.5.1.4.1.1.66.4"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.SOPClassUID, data.Modality, data.SegmentationType = data.file_meta.MediaStorageSOPClassUID, "SEG", kind
    data.ManufacturerModelName = "Some program"
    data.SegmentSequence = []
    for number in masks:
        item = Dataset()
        item.SegmentNumber, item.SegmentLabel = number, NAMES.get(number, "thing")
        data.SegmentSequence.append(item)
    shape = next(iter(masks.values())).shape
    frames: list[tuple[int, int]] = [(number, k) for number, mask in masks.items() for k in range(shape[0]) if mask[k].any()]
    frames = sorted({(0, k) for _, k in frames}) if labelmap else frames[::-1]
    whole = sum((mask * number for number, mask in masks.items()), np.zeros(shape, dtype=np.int64)).astype(np.uint8)
    data.Rows, data.Columns, data.NumberOfFrames = shape[1], shape[2], len(frames)
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    bits = 1 if kind == "BINARY" else 8
    data.BitsAllocated, data.BitsStored, data.HighBit = bits, bits, bits - 1
    stack = np.stack([whole[k] if labelmap else masks[number][k].astype(np.uint8) for number, k in frames])
    if kind == "FRACTIONAL":
        data.MaximumFractionalValue, data.SegmentationFractionalType = 200, "PROBABILITY"
        stack = np.where(stack > 0, 150, 90).astype(np.uint8)
    data.PixelData = pack_bits(stack.ravel(), pad=True) if bits == 1 else stack.tobytes() + b"\0" * (stack.size % 2)
    shared, turn, measures = Dataset(), Dataset(), Dataset()
    turn.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [1.2, 1.5], 2.0
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [turn], [measures]
    data.SharedFunctionalGroupsSequence, data.PerFrameFunctionalGroupsSequence = [shared], []
    for number, k in frames:
        own, place, which = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [-20.0, -30.0, 100.0 + 2.0 * k]
        which.ReferencedSegmentNumber = number
        own.PlanePositionSequence = [place]
        if not labelmap:
            own.SegmentIdentificationSequence = [which]
        data.PerFrameFunctionalGroupsSequence.append(own)
    data.save_as(path, enforce_file_format=True)
    return path


def at_places(file: LabelFile) -> dict[tuple[float, float, float], set[int]]:
    """The numbers at every place (LPS, tenths of a millimetre), whatever the grid."""
    out: dict[tuple[float, float, float], set[int]] = {}
    for layer in file.layers:
        index = np.argwhere(layer)
        for point, number in zip(np.round(file.frame.to_world(index), 1).tolist(), layer[tuple(index.T)].tolist()):
            out.setdefault((point[0], point[1], point[2]), set()).add(int(number))
    return out


def expected() -> dict[tuple[float, float, float], set[int]]:
    return at_places(LabelFile(frame(), (labels().astype(np.uint16),), {}))


@pytest.mark.parametrize("name", ["map.nii", "map.nii.gz"])
def test_nifti(name: str, tmp_path: Path) -> None:
    write_nifti(tmp_path / name, labels(), frame())
    file = read_label_file(tmp_path / name)
    assert at_places(file) == expected()
    assert not file.names and not file.sidecar


def test_nifti_with_the_names_of_total_segmentator_in_its_header(tmp_path: Path) -> None:
    write_nifti(tmp_path / "map.nii.gz", labels(), frame())
    image: Any = nibabel.load(tmp_path / "map.nii.gz")
    rows = "".join(f'<Label Key="{n}" Red="1.0" Green="0" Blue="0" Alpha="1"><![CDATA[{name}]]></Label>\n' for n, name in NAMES.items())
    table = f"<LabelTable>{rows}</LabelTable>"
    xml = f'<?xml version="1.0"?> <CaretExtension><VolumeInformation Index="0">{table}</VolumeInformation></CaretExtension>'
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(0, xml.encode()))
    nibabel.save(image, tmp_path / "named.nii.gz")
    file = read_label_file(tmp_path / "named.nii.gz")
    assert {number: names[0] for number, names in file.names.items()} == NAMES
    assert at_places(file) == expected()


def test_a_sidecar_names_numbers_or_chooses_the_scheme(tmp_path: Path) -> None:
    write_nifti(tmp_path / "map.nii.gz", labels(), frame())
    beside = tmp_path / "map.json"
    beside.write_text(json.dumps({"labels": {str(n): name for n, name in NAMES.items()}}), "utf-8")
    assert {n: names[0] for n, names in read_label_file(tmp_path / "map.nii.gz").names.items()} == NAMES
    beside.write_text('{"scheme": "verse"}', "utf-8")
    assert read_label_file(tmp_path / "map.nii.gz").scheme == "verse"
    for other in ('[{"direction": ["P", "I", "R"]}, {"label": 20, "X": 1.5}]', '{"SpatialReference": "orig"}'):  # VerSe centroids, BIDS
        beside.write_text(other, "utf-8")
        assert not read_label_file(tmp_path / "map.nii.gz").names
    beside.write_text("{", "utf-8")
    with pytest.raises(Refusal, match=r"map\.json does not say"):
        read_label_file(tmp_path / "map.nii.gz")


def test_plain_nrrd(tmp_path: Path) -> None:
    SimpleITK.WriteImage(itk(labels()), str(tmp_path / "map.nrrd"), useCompression=True)
    file = read_label_file(tmp_path / "map.nrrd")
    assert at_places(file) == expected()
    assert not file.names


def test_slicer_segmentation_in_one_layer(tmp_path: Path) -> None:
    image = segments(itk(labels()), [(name, number, 0) for number, name in NAMES.items()])
    SimpleITK.WriteImage(image, str(tmp_path / "map.seg.nrrd"))
    file = read_label_file(tmp_path / "map.seg.nrrd")
    assert at_places(file) == expected()
    assert {number: names[0] for number, names in file.names.items()} == NAMES
    assert file.program == "3D Slicer"


def test_slicer_segmentation_in_layers_keeps_what_overlaps(tmp_path: Path) -> None:
    lower, upper = (labels() == 4) * np.uint8(1), np.zeros(labels().shape, dtype=np.uint8)
    upper[1:5, 5:10, 4:10] = 1
    lower[labels() == 3] = 2
    image = segments(itk(np.stack([lower, upper], axis=-1)), [("vertebra L4", 1, 0), ("vertebra L3", 2, 0), ("spinal canal", 1, 1)])
    SimpleITK.WriteImage(image, str(tmp_path / "map.seg.nrrd"))
    file = read_label_file(tmp_path / "map.seg.nrrd")
    held = {file.names[number][0]: int(sum((layer == number).sum() for layer in file.layers)) for number in file.names}
    assert held == {"vertebra L4": (labels() == 4).sum(), "vertebra L3": (labels() == 3).sum(), "spinal canal": upper.sum()}
    assert len(file.layers) == 2


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_dicom_seg(kind: str, tmp_path: Path) -> None:
    file = read_label_file(dicom_seg(tmp_path / "seg.dcm", {number: labels() == number for number in NAMES}, kind))
    assert at_places(file) == expected()
    assert {number: names[0] for number, names in file.names.items()} == NAMES
    assert file.program == "Some program"
    assert bool(file.notes) == (kind == "FRACTIONAL")


def test_overlapping_segments_of_dicom_seg_are_kept(tmp_path: Path) -> None:
    masks = {1: labels() == 4, 2: np.roll(labels() == 4, 2, axis=1), 3: labels() == 3}
    file = read_label_file(dicom_seg(tmp_path / "seg.dcm", masks))
    assert len(file.layers) == 2
    for number, mask in masks.items():
        assert sum(int((layer == number).sum()) for layer in file.layers) == mask.sum()


def test_empty_slices_that_a_dicom_seg_leaves_out_stay_empty(tmp_path: Path) -> None:
    mask = np.zeros(labels().shape, dtype=np.bool_)
    mask[[1, 2, 8], 3:6, 3:6] = True
    file = read_label_file(dicom_seg(tmp_path / "seg.dcm", {1: mask}))
    assert file.frame.spacing_mm[0] == pytest.approx(2.0)
    assert file.layers[0].any(axis=(1, 2)).tolist() == [True, True, False, False, False, False, False, True]


# ---- what is wrong ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        labels() + np.float32(0.3),
        np.where(labels() > 0, np.nan, 1.5).astype(np.float32),
        labels().astype(np.int32) * 30000,
        labels().astype(np.int16) - 5,
        labels().astype(np.float32) * 1e30,
    ],
    ids=["fractions", "not a number", "huge", "negative", "astronomic"],
)
def test_what_holds_no_labels_is_refused(values: NDArray[Any], tmp_path: Path) -> None:
    write_nifti(tmp_path / "map.nii.gz", values, frame())
    with pytest.raises(Refusal, match="is no label map: its values are not whole numbers"):
        read_label_file(tmp_path / "map.nii.gz")


def written(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    if name.endswith(".dcm"):
        return dicom_seg(path, {number: labels() == number for number in NAMES})
    if ".nii" in name:
        write_nifti(path, labels(), frame())
    else:
        SimpleITK.WriteImage(itk(labels()), str(path), useCompression=True)
    return path


@pytest.mark.parametrize("name", ["map.nii", "map.nii.gz", "map.nrrd", "map.dcm"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95])
def test_a_truncated_file_is_refused(name: str, share: float, tmp_path: Path) -> None:
    path = written(tmp_path, name)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(Refusal):
        read_label_file(path)


@pytest.mark.parametrize("name", ["map.nii.gz", "map.nrrd", "map.dcm"])
def test_changed_bytes_are_read_or_refused(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, name)
    content, random = bytearray(path.read_bytes()), np.random.default_rng(7)
    for _ in range(40):
        broken = bytearray(content)
        for at in random.integers(0, len(broken), 6):
            broken[at] = int(random.integers(0, 256))
        path.write_bytes(bytes(broken))
        with contextlib.suppress(Refusal):
            assert read_label_file(path).layers


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (
            "type: uchar\ndimension: 3\nsizes: 99999 99999 99999\nspace: LPS\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n",
            "promises",
        ),
        ("type: uchar\ndimension: 3\nsizes: 2 2 2\n", "gives no position"),
        ("type: uchar\ndimension: 3\nsizes: 2 2 2\ndata file: /etc/hostname\n", "in another file"),
        ("type: uchar\ndimension: 3\nsizes: 2 two 2\n", "damaged"),
    ],
)
def test_a_header_of_nrrd_that_lies(head: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "map.nrrd").write_bytes(f"NRRD0004\n{head}encoding: raw\n\n".encode() + bytes(8))
    with pytest.raises(Refusal, match=says):
        read_label_file(tmp_path / "map.nrrd")


def test_what_is_no_label_map_at_all(tmp_path: Path) -> None:
    for name, content in (("map.txt", b"hello"), ("map.nii.gz", b""), ("map.nrrd", b"NRRD0004\n"), ("map.dcm", b"\0" * 128 + b"DICM")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Refusal):
            read_label_file(tmp_path / name)
    for nothing in (tmp_path / "gone.nii.gz", tmp_path):
        with pytest.raises(Refusal, match="There is no label map"):
            read_label_file(nothing)


def test_a_dicom_image_is_no_segmentation(tmp_path: Path) -> None:
    data = pydicom.dcmread(dicom_seg(tmp_path / "seg.dcm", {1: labels() == 4}))
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    data.save_as(tmp_path / "ct.dcm")
    with pytest.raises(Refusal, match=r"no segmentation \(SEG\)"):
        read_label_file(tmp_path / "ct.dcm")


@pytest.mark.real
def test_real_segmentations_lie_on_their_ct() -> None:
    folder = real("messy-dicom") / "segmentation"
    ct = [pydicom.dcmread(path) for path in sorted((folder / "ct-3slice").iterdir())]
    heights = sorted(float(one.ImagePositionPatient[2]) for one in ct)
    for name, count in (("liver-seg.dcm", 1), ("partial-overlaps-seg.dcm", 3)):
        file = read_label_file(folder / name)
        assert len(file.layers) == count
        assert file.frame.shape == (3, 512, 512)
        ends = [float(file.frame.to_world([k, 0, 0])[2]) for k in (0, 2)]
        assert np.allclose(sorted(ends), [heights[0], heights[-1]], atol=0.01)
    liver = read_label_file(folder / "liver-seg.dcm")
    drawn = read_label_file(folder / "liver_spine_seg.nrrd")
    assert at_places(liver).keys() == {place for place, numbers in at_places(drawn).items() if 1 in numbers}


# ---- what real files are like -----------------------------------------------------------------------------------------------------------


def test_labels_stored_as_float_in_nrrd(tmp_path: Path) -> None:
    SimpleITK.WriteImage(itk(labels().astype(np.float32)), str(tmp_path / "map.nrrd"), useCompression=True)
    assert at_places(read_label_file(tmp_path / "map.nrrd")) == expected()


def test_labels_stored_with_a_rescale_in_nifti(tmp_path: Path) -> None:
    write_nifti(tmp_path / "map.nii.gz", labels(), frame())
    image = nibabel.load(tmp_path / "map.nii.gz")
    halves = nibabel.Nifti1Image((np.asarray(image.dataobj) * 2).astype(np.uint8), image.affine)
    halves.header.set_slope_inter(0.5, 0.0)
    nibabel.save(halves, tmp_path / "half.nii.gz")
    assert at_places(read_label_file(tmp_path / "half.nii.gz")) == expected()


def test_colours_are_no_labels(tmp_path: Path) -> None:
    """A picture of segments in red, green and blue, as some exports write .seg.nrrd."""
    colours = np.stack([labels() * 10, labels() * 20, labels() * 5], axis=-1).astype(np.uint8)
    SimpleITK.WriteImage(itk(colours), str(tmp_path / "map.seg.nrrd"))
    with pytest.raises(Refusal, match="several values a voxel and no names of segments"):
        read_label_file(tmp_path / "map.seg.nrrd")


def test_frames_of_dicom_seg_from_foot_to_head_or_turned_over(tmp_path: Path) -> None:
    """Rows that run to the right and to the front, and frames in any order: the same places."""
    path = dicom_seg(tmp_path / "seg.dcm", {number: labels() == number for number in NAMES})
    data = pydicom.dcmread(path)
    stack = data.pixel_array[:, ::-1, ::-1]
    data.PixelData = pack_bits(stack.ravel(), pad=True)
    data.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
    for own in data.PerFrameFunctionalGroupsSequence:
        x, y, z = own.PlanePositionSequence[0].ImagePositionPatient
        own.PlanePositionSequence[0].ImagePositionPatient = [x + 1.5 * (data.Columns - 1), y + 1.2 * (data.Rows - 1), z]
    data.save_as(tmp_path / "turned.dcm")
    assert at_places(read_label_file(tmp_path / "turned.dcm")) == expected()


def test_a_frame_that_is_missing_in_dicom_seg_stays_empty(tmp_path: Path) -> None:
    masks = {number: labels() == number for number in NAMES}
    masks[9][5] = False
    masks[4][2] = False
    file = read_label_file(dicom_seg(tmp_path / "seg.dcm", masks))
    assert file.frame.spacing_mm[0] == pytest.approx(2.0)
    want = np.zeros(labels().shape, dtype=np.uint8)
    for number, mask in masks.items():
        want[mask] = number
    assert at_places(file) == at_places(LabelFile(frame(), (want.astype(np.uint16),), {}))
