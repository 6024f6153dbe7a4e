"""What the README of each real scan says is expected."""

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK

from planner.progress import silent
from planner.refusal import Refusal
from planner.scan import choose, load, read
from planner.scan.files import find
from planner.scan.headers import Unreadable, read_header
from planner.scan.pixels import Undecodable, read_pixels, stored_type
from tests.data import real

pytestmark = pytest.mark.real

# folder -> of each series, in order: verdict, size, words in its reasons and repairs
EXPECTED = {
    "thoracic-ct": [("good", (90, 512, 512), "")],
    "cervical-ct": [("good", (52, 511, 511), "Slices are 3.0 mm apart: too coarse")],
    "lumbar-ct-labelled-3mm": [
        ("good", (112, 101, 122), "3.0 mm apart: too coarse"),
        ("good", (20, 512, 512), "38 mm from head to foot: a short stack"),
    ],
    "thoracolumbar-ct-labelled": [("good", (133, 290, 350), "")],
    "lumbar-mr-t2": [("good", (201, 257, 38), "37 mm from left to right")],
    "lumbar-mr-t2-labelled": [("good", (381, 381, 77), "left to right"), ("good", (224, 224, 77), ""), ("good", (221, 221, 67), "")],
    "cervical-mr": [
        ("good", (77, 76, 42), ""),
        ("good", (52, 55, 60), ""),
        ("repaired", (22, 256, 256), "oblique by 11.9 deg"),
        ("refused", (19, 256, 320), "7.5 mm apart: too thick"),
    ],
    "vertebra-ct-mr-crops": [("good", (73, 47, 73), ""), ("good", (67, 52, 68), "")],
    "gantry-tilt-head-ct/ge-uneven": [
        ("repaired", (14, 512, 512), "changes from 4.0 mm to 7.0 mm at slice 14|Slices 14 and 15 are 1.08 mm apart|sheared by 18.5 deg"),
        ("refused", (14, 512, 512), "changes from 4.0 mm to 7.0 mm|7.0 mm apart: too thick"),
    ],
    "gantry-tilt-head-ct/philips-cd": [
        ("repaired", (58, 512, 512), "sheared by 16.5 deg (tilted gantry)"),
        ("repaired", (54, 512, 512), "sheared by 18.5 deg (tilted gantry)"),
        ("refused", (1, 256, 512), "localizer"),
        ("refused", (1, 256, 512), "localizer"),
    ],
    "gantry-tilt-head-ct/philips-cd/S21610/S1000": [("refused", (1, 256, 512), "one slice (a localizer)")],
    "gantry-tilt-head-ct/philips-cd/S21610/S2010": [("repaired", (54, 512, 512), "sheared by 18.5 deg (tilted gantry)")],
    "gantry-tilt-head-ct/philips-cd/S21610/S3010": [("repaired", (58, 512, 512), "sheared by 16.5 deg (tilted gantry)")],
    "gantry-tilt-head-ct/philips-cd/S21610/S4010": [("refused", (1, 256, 512), "one slice (a localizer)")],
    "messy-dicom/series/tilted-4-slices": [("repaired", (4, 512, 512), "sheared by 14.0 deg")],
    "messy-dicom/series/uneven-increment": [("refused", (4, 512, 512), "10.0 mm apart where 5.0 mm was expected")],
    "messy-dicom/series/tilted-with-gap": [("refused", (4, 512, 512), "1.5 mm apart where 0.75 mm was expected|tilted by 15.5 deg")],
    "messy-dicom/series/not-a-volume": [("refused", (4, 512, 512), "All 4 images show one and the same place")],
    "messy-dicom/series/two-orientations": [("refused", (2, 288, 288), "Only 2 slices"), ("refused", (2, 288, 288), "Only 2 slices")],
    "messy-dicom/series/two-slices": [("refused", (2, 256, 256), "Only 2 slices")],
    "messy-dicom/series/repeated-positions.zip": [("refused", (10, 512, 512), "112.5 mm apart|7.5 mm|One slice is there twice")],
    "messy-dicom/multi-frame": [
        ("good", (8, 256, 256), ""),
        ("repaired", (8, 256, 256), "oblique by 2.6 deg"),
        ("refused", (10, 64, 64), "without a position"),
        ("refused", (2, 512, 512), "Only 2 slices"),
    ],
    "messy-dicom/single-spine-images": [("refused", (1, 512, 512), "one slice"), ("refused", (1, 512, 512), "one slice")],
    "messy-dicom/single-non-spine": [("refused", (1, 512, 512), "one slice")],
    "messy-dicom/broken-or-odd": [
        ("refused", (1, 512, 512), "one slice"),
        ("refused", (1, 320, 320), "one slice"),
        ("refused", (1, 512, 512), "one slice"),
        ("refused", (1, 512, 512), "one slice"),
    ],
    # one image in many encodings: sixteen files of which nine are equal to others, and one with two frames of one place
    "messy-dicom/transfer-syntax": [
        ("refused", (7, 512, 512), "All 7 images show one and the same place|9 slices are there twice"),
        ("refused", (2, 512, 512), "Only 2 slices"),
    ],
    "messy-dicom/transfer-syntax-small": [("refused", (1, 128, 128), "one slice"), ("refused", (1, 64, 64), "one slice")],
    "messy-dicom/dicomdir": [
        ("good", (5, 16, 16), "10 mm from head to foot"),
        ("refused", (7, 16, 16), "7 images in different orientations"),
        ("refused", (4, 16, 16), "202.5 mm apart where 1.25 mm was expected"),
        *[("refused", (1, 16, 16), "one slice (a localizer)")] * 2,
        *[("refused", (1, 16, 16), "one slice: ")] * 10,
    ],
    "messy-dicom/segmentation": [("good", (3, 512, 512), "2 mm from head to foot")],
    "messy-dicom/character-sets": [],
    "messy-dicom/not-a-scan": [],
}


@pytest.mark.parametrize("folder", EXPECTED)
def test_verdicts(folder):
    scan = read(real(folder))
    assert [(one.verdict, one.size) for one in scan.series] == [(verdict, size) for verdict, size, _ in EXPECTED[folder]]
    for series, (_, _, words) in zip(scan.series, EXPECTED[folder]):
        said = " ".join((*series.reasons, *series.repairs))
        assert all(word in said for word in words.split("|")), said
        assert all(reason.endswith(".") for reason in (*series.reasons, *series.repairs))
        if not series.usable:
            assert series.way_out
            with pytest.raises(Refusal):
                load(series)
    assert all(one.reason.endswith(".") and not one.path.startswith("/") for one in scan.skipped)
    assert scan.skipped_count == len(scan.skipped)


def test_no_folder_is_left_out():
    """Every folder that holds a file but a README, and every ZIP, is expected to be something."""
    root = real("README.md").parent
    files = [path for path in root.rglob("*") if path.is_file() and not path.name.startswith("README")]
    held = {path if path.suffix == ".zip" else path.parent for path in files}
    known = {root / folder for folder in EXPECTED}
    assert len(held) > 25
    assert not [place for place in held if not known.intersection((place, *place.parents))]


SKIPPED = {
    "messy-dicom/not-a-scan/rtplan.dcm": "plan",
    "messy-dicom/not-a-scan/rtstruct.dcm": "structure set",
    "messy-dicom/not-a-scan/rtdose.dcm": "dose",
    "messy-dicom/not-a-scan/reportsi.dcm": "report",
    "messy-dicom/not-a-scan/test1.json": "text file",
    "messy-dicom/segmentation/liver-seg.dcm": "segmentation",
    "messy-dicom/segmentation/spine_seg.nrrd": "label map",
    "messy-dicom/broken-or-odd/MR_truncated.dcm": "8130 of 8192 bytes",
    "messy-dicom/broken-or-odd/zipMR.gz": "gzip",
    "messy-dicom/broken-or-odd/rtplan_truncated.dcm": "plan",
    "messy-dicom/broken-or-odd/ct-bigendian-undefined-length.dcm": "damaged",
    "messy-dicom/broken-or-odd/meta_missing_tsyntax.dcm": "without an image",
    "messy-dicom/dicomdir/77654033/CR1/6154": "CR",
    "lumbar-ct-labelled-3mm/vertebrae.nii.gz": "label map",
    "thoracolumbar-ct-labelled/structures.nii.gz": "label map",
    "vertebra-ct-mr-crops/sub-ct_seg-subreg_label-22_msk.nii.gz": "label map",
    "cervical-mr/t2-crop-cord-by-level.nii.gz": "label map",
    "gantry-tilt-head-ct/philips-cd/DICOMDIR": "S21570",
    "gantry-tilt-head-ct/philips-cd/S21610/S4010/I30": "capture",
}


@pytest.mark.parametrize("file", SKIPPED)
def test_reasons_of_skipped_files(file):
    path = real(file)
    folder = real("gantry-tilt-head-ct/philips-cd") if "philips" in file else path.parent
    reasons = {one.path: one.reason for one in read(folder).skipped}
    assert SKIPPED[file] in reasons[path.relative_to(folder).as_posix()]


@pytest.mark.parametrize("index", ["DICOMDIR", "DICOMDIR-bigEnd", "DICOMDIR-nooffset", "DICOMDIR-nopatient", "DICOMDIR-empty.dcm"])
def test_series_are_found_with_any_dicomdir_or_none(tmp_path, index):
    source = real("messy-dicom/dicomdir")
    for patient in ("77654033", "98892001"):
        (tmp_path / patient).symlink_to(source / patient)
    (tmp_path / "DICOMDIR").write_bytes((source / index).read_bytes())
    with_index = read(tmp_path / "DICOMDIR")
    (tmp_path / "DICOMDIR").unlink()
    without = read(tmp_path)
    assert [one.key for one in with_index.series] == [one.key for one in without.series]
    assert sum(one.slices for one in without.series) == 11


def test_everything_at_once():
    scan = read(real("README.md").parent)
    assert len(scan.series) > 50 and len({one.key for one in scan.series}) == len(scan.series)
    assert choose(scan).usable


LOSSLESS = ("Implicit", "Explicit", "BigEndian", "Deflated", "RLE", "Process14", "JPEGLSLossless", "JPEG2000LosslessOnly")
REFUSED = ("Process10_12", "Process6_8")


def pixels_of(path):
    (found,), _ = find(path, silent)
    picture = read_header(found)[0]
    out = np.empty((picture.pixels.rows, picture.pixels.columns), stored_type(picture.pixels))
    read_pixels(picture, out)
    return out


def test_every_transfer_syntax():
    files = sorted(real("messy-dicom/transfer-syntax").glob("ct-*.dcm"))
    plain = pixels_of(real("messy-dicom/transfer-syntax/CTImage.dcm"))
    assert np.array_equal(plain, pydicom.dcmread(real("messy-dicom/transfer-syntax/CTImage.dcm")).pixel_array)
    lossless = 0
    for file in files:
        if any(word in file.name for word in REFUSED):
            with pytest.raises(Undecodable, match="not supported"):
                pixels_of(file)
            continue
        values = pixels_of(file)
        if any(word in file.name for word in LOSSLESS):
            assert np.array_equal(values, plain), file.name
            lossless += 1
        elif "JPEG2000" in file.name or "JPEGLS" in file.name:
            assert np.abs(values.astype(int) - plain).max() < 40
    assert lossless == 9


def test_small_files_in_every_encoding():
    plain = pydicom.dcmread(real("messy-dicom/transfer-syntax-small/MR_small.dcm")).pixel_array
    for file in real("messy-dicom/transfer-syntax-small").glob("MR*.dcm"):
        assert np.array_equal(pixels_of(file), plain), file.name


def test_every_frame_of_every_encoding():
    plain = pydicom.dcmread(real("messy-dicom/multi-frame/emri_small.dcm")).pixel_array
    for file in real("messy-dicom/multi-frame").glob("emri*.dcm"):
        (found,), _ = find(file, silent)
        for picture in read_header(found):
            out = np.empty((64, 64), np.int16)
            read_pixels(picture, out)
            assert np.array_equal(out, plain[picture.pixels.frame]), file.name


def test_fragments_without_offset_table():
    (found,), _ = find(real("messy-dicom/transfer-syntax/CT0012.fragmented_no_bot_jpeg_baseline.51.dcm"), silent)
    assert [one.pixels.frame for one in read_header(found)] == [0, 1]


def simpleitk(folder):
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


@pytest.mark.parametrize("folder", ["thoracic-ct/dicom", "cervical-ct/dicom"])
def test_positions_and_values_are_those_of_simpleitk(folder):
    image = simpleitk(real(folder))
    volume = load(read(real(folder)).series[0])
    for index in np.random.default_rng(1).integers(0, image.GetSize(), (200, 3)).tolist():
        point = image.TransformIndexToPhysicalPoint(index)
        assert volume.sample(point) == pytest.approx(image.GetPixel(*index), abs=0.01)


@pytest.mark.parametrize("folder", ["gantry-tilt-head-ct/philips-cd/S21610/S2010", "gantry-tilt-head-ct/philips-cd/S21610/S3010"])
def test_a_sheared_scan_holds_the_native_value_at_every_place(folder):
    volume = load(read(real(folder)).series[0])
    misses = []
    for path in sorted(real(folder).glob("I*"))[5:50:5]:
        ds = pydicom.dcmread(path)
        row, column = np.array(ds.ImageOrientationPatient[:3]), np.array(ds.ImageOrientationPatient[3:])
        values = ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
        for j, i in np.random.default_rng(2).integers(100, 400, (200, 2)):
            point = np.array(ds.ImagePositionPatient) + row * ds.PixelSpacing[1] * i + column * ds.PixelSpacing[0] * j
            # a smooth place, so that interpolation between slices is not what is tested
            if np.ptp(values[j - 2 : j + 3, i - 2 : i + 3]) < 60:
                misses.append(abs(float(volume.sample(point)) - values[j, i]))
    assert len(misses) > 300
    assert np.median(misses) < 8 and np.percentile(misses, 90) < 60


@pytest.mark.parametrize(
    "file", ["thoracolumbar-ct-labelled/ct.nii.gz", "cervical-mr/t2-crop.nii.gz", "vertebra-ct-mr-crops/sub-ct_label-22_ct.nii.gz"]
)
def test_nifti_is_where_nibabel_says(file):
    image = nibabel.load(real(file))
    data = np.asarray(image.dataobj)
    volume = load(read(real(file)).series[0])
    for index in np.random.default_rng(3).integers(0, data.shape, (200, 3)):
        ras = image.affine @ (*index, 1)
        assert volume.sample(ras[:3] * (-1, -1, 1)) == pytest.approx(data[tuple(index)], abs=0.01)


def test_the_patients_right_is_where_the_liver_is():
    folder = real("thoracolumbar-ct-labelled")
    volume = load(read(folder / "ct.nii.gz").series[0])
    labels = nibabel.load(folder / "structures.nii.gz")
    liver, right_lung = (np.argwhere(np.isin(labels.dataobj, names)) for names in ((5,), (12, 13, 14)))
    at_liver, at_lung = (nibabel.affines.apply_affine(labels.affine, where[::97]) * (-1, -1, 1) for where in (liver, right_lung))
    assert at_liver[:, 0].mean() == pytest.approx(-49.2, abs=1)
    assert 60 < np.median(volume.sample(at_liver)) < 180
    assert np.median(volume.sample(at_lung)) < -600


def test_feet_first_is_not_flipped():
    series = read(real("thoracic-ct")).series[0]
    assert series.patient_position == "FFS"
    low, high = load(series).frame.bounds_mm
    assert (low[2], high[2]) == pytest.approx((-679.8, -590.8), abs=0.01)


def test_jpeg_2000_without_uids():
    (series,) = read(real("lumbar-ct-labelled-3mm/dicom-jpeg2000")).series
    assert series.spacing_mm[0] == pytest.approx(2.0)
    assert series.uid.startswith("2.25.")
    # T12, by its label, is bone
    assert load(series).sample((-9.7, -107.8, -790.8)) > 50


def test_broken_files_are_read_or_refused_with_a_sentence():
    for path in sorted(real("messy-dicom/broken-or-odd").iterdir()) + sorted(real("messy-dicom/character-sets").iterdir()):
        try:
            scan = read(path)
        except Refusal as refusal:
            assert refusal.sentence.endswith(".") and refusal.way_out
        else:
            assert all(one.verdict == "refused" for one in scan.series)


def test_unreadable_is_never_raised_outside():
    with pytest.raises(Unreadable):
        (found,), _ = find(real("messy-dicom/not-a-scan/rtplan.dcm"), silent)
        read_header(found)


def test_multi_frame_positions_come_from_each_frame():
    path = real("messy-dicom/multi-frame/philips-enhanced-mr.dcm")
    ds, volume = pydicom.dcmread(path), load(read(path).series[0])
    for n, groups in enumerate(ds.PerFrameFunctionalGroupsSequence):
        first = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        orientation = np.array(groups.PlaneOrientationSequence[0].ImageOrientationPatient, float)
        spacing = groups.PixelMeasuresSequence[0].PixelSpacing
        for j, i in ((30, 200), (128, 128), (210, 40)):
            point = first + orientation[:3] * spacing[1] * i + orientation[3:] * spacing[0] * j
            value = ds.pixel_array[n, j, i] * float(groups.PixelValueTransformationSequence[0].RescaleSlope)
            assert volume.sample(point) == pytest.approx(value, abs=0.1)
