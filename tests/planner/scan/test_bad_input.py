"""Junk, damage and tricks: each gives a sentence, none a crash, a hang or a plausible wrong volume."""

import json
import os
import random
import struct
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from planner.progress import Cancelled
from planner.refusal import Refusal
from planner.scan import choose, load, read, scan_json
from planner.scan import loading as loading_module
from planner.scan.native import native_slices
from tests.planner.scan.test_geometry import assert_true
from tests.planner.scan.writer import BIRTH_DATE, NAME, NUMBER, Stack, edit, hu, other, write


def reasons(scan):
    return {one.path: one.reason for one in scan.skipped}


def test_nothing_there(tmp_path):
    with pytest.raises(Refusal, match="no file or folder"):
        read(tmp_path / "nowhere")


def test_an_empty_folder(tmp_path):
    with pytest.raises(Refusal, match=r"folder is empty.*Choose the folder"):
        read(tmp_path)


def test_a_folder_of_text_files(tmp_path):
    for n in range(5):
        (tmp_path / f"note{n}.txt").write_text("not a scan\n" * 50)
    with pytest.raises(Refusal, match=r"None of the 5 files.*text file"):
        read(tmp_path)


def test_a_text_file(tmp_path):
    (tmp_path / "note.dcm").write_text("not a scan")
    with pytest.raises(Refusal, match="text file"):
        read(tmp_path / "note.dcm")


def test_junk_beside_a_scan_is_listed(tmp_path):
    write(tmp_path / "scan", Stack())
    (tmp_path / "empty.dcm").write_bytes(b"")
    (tmp_path / "note.txt").write_text("hello")
    (tmp_path / "noise.bin").write_bytes(os.urandom(5000))
    scan = read(tmp_path)
    assert scan.series[0].verdict == "good"
    assert reasons(scan)["empty.dcm"] == "An empty file."
    assert set(reasons(scan)) == {"empty.dcm", "note.txt", "noise.bin"}


@pytest.mark.parametrize("keep", [0, 60, 200, 700, 1500, 3000])
def test_a_truncated_slice_becomes_a_named_gap(tmp_path, keep):
    write(tmp_path, Stack())
    broken = tmp_path / "slice895.dcm"
    broken.write_bytes(broken.read_bytes()[:keep])
    scan = read(tmp_path)
    assert "slice895.dcm" in reasons(scan)
    assert scan.series[-1].verdict == "refused"
    assert "Slices 5 and 6 are 4.0 mm apart where 2.0 mm was expected" in scan.series[-1].reasons[0]


def test_pixels_that_break_off_after_the_scan_was_read(tmp_path):
    write(tmp_path, Stack())
    (series,) = read(tmp_path).series
    (tmp_path / "slice895.dcm").unlink()
    with pytest.raises(Refusal, match="Slice 6 of 12 cannot be read"):
        load(series)


def test_without_preamble_and_meta_header(tmp_path):
    write(tmp_path, Stack())
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        length = struct.unpack("<I", content[140:144])[0]
        path.write_bytes(content[144 + length :])
    assert_true(load(read(tmp_path).series[0]))


def test_private_tags_of_undefined_length(tmp_path):
    write(tmp_path, Stack())
    for path in tmp_path.iterdir():
        ds = pydicom.dcmread(path)
        block = ds.private_block(0x0019, "INVENTED", create=True)
        item = pydicom.Dataset()
        item.PatientComments = "x" * 50
        block.add_new(0x01, "SQ", pydicom.Sequence([item]))
        ds[0x0019, 0x1001].is_undefined_length = True
        ds.save_as(path)
    assert_true(load(read(tmp_path).series[0]))


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "orientation"),
        ({"ImageOrientationPatient": None}, "without a position"),
        ({"ImagePositionPatient": None}, "without a position"),
        ({"PixelSpacing": None}, "size of the pixels"),
        ({"PixelSpacing": [0, 0]}, "size of the pixels"),
        ({"PixelSpacing": [1e-7, 1e-7]}, "size of the pixels"),
        ({"ImageOrientationPatient": [0, 0.1, 1, 1, 0, 0]}, "sheared by 84 deg"),
        ({"Modality": "PT"}, "only CT and MR"),
        ({"RescaleIntercept": None}, "no rescale to HU"),
    ],
)
def test_damaged_geometry_is_refused(tmp_path, values, word):
    write(tmp_path, other(Stack(), signed=False, bits=12))
    for path in tmp_path.iterdir():
        edit(path, **values)
    (series,) = read(tmp_path).series
    assert series.verdict == "refused" and word in " ".join(series.reasons) and series.way_out
    with pytest.raises(Refusal):
        choose(read(tmp_path))


def test_unusual_pixels(tmp_path):
    for n, stack in enumerate(
        [
            Stack(signed=False, bits=12),
            Stack(signed=False, bits=16),
            Stack(signed=True, bits=12, intercepts=(-10.0,)),
            Stack(intercepts=(-1024.0, 0.0, -1000.0)),
            Stack(extra=(("PixelPaddingValue", -2000),)),
            Stack(extra=(("PhotometricInterpretation", "MONOCHROME1"),)),
        ]
    ):
        (series,) = read(write(tmp_path / str(n), stack)).series
        volume = load(series)
        assert volume.voxels.dtype == np.int16
        assert_true(volume)


def test_a_negative_of_a_ct_is_turned_over(tmp_path):
    write(tmp_path, other(Stack(), signed=False, bits=12, extra=(("PhotometricInterpretation", "MONOCHROME1"),)))
    for path in tmp_path.iterdir():
        ds = pydicom.dcmread(path)
        ds.PixelData = (4095 - ds.pixel_array).astype("<u2").tobytes()
        ds.save_as(path)
    assert_true(load(read(tmp_path).series[0]))


@pytest.mark.parametrize(("signed", "bits", "top"), [(False, 16, 65535), (False, 12, 4095), (True, 16, -1)])
def test_an_mr_whose_low_values_are_bright_is_turned_over(tmp_path, signed, bits, top):
    stack = Stack(modality="MR", signed=signed, bits=bits, extra=(("PhotometricInterpretation", "MONOCHROME1"), ("PixelPaddingValue", 24)))
    (series,) = read(write(tmp_path, stack)).series
    shown = []
    volume = load(series, shown=shown.append)
    index = np.argwhere(np.ones(volume.frame.shape))
    stored = hu(volume.frame.to_world(index)).reshape(volume.frame.shape) + 1024
    assert np.array_equal(volume.values(), top - stored)
    assert volume.padding == top - 24
    assert np.shares_memory(shown[0].voxels, volume.voxels)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_every_slice_is_turned_over_as_it_says_itself(tmp_path, modality, first):
    """Every second slice is a negative; the middle one is, or is not."""
    write(tmp_path, Stack(modality=modality, signed=False, bits=12))
    for path in sorted(tmp_path.iterdir())[first::2]:
        ds = pydicom.dcmread(path)
        edit(path, PhotometricInterpretation="MONOCHROME1", PixelData=(4095 - ds.pixel_array).astype("<u2").tobytes())
    (series,) = read(tmp_path).series
    volume, native = load(series), native_slices(series)
    points = volume.frame.to_world(np.argwhere(np.ones(volume.frame.shape)))
    assert np.array_equal(volume.values().ravel(), hu(points) + (0 if modality == "CT" else 1024))
    for n in range(native.count):
        assert np.array_equal(native.slice(n).values()[0], volume.values()[n])


def test_slopes_that_differ_are_brought_to_one(tmp_path):
    write(tmp_path, Stack(modality="MR"))
    for n, path in enumerate(sorted(tmp_path.iterdir())):
        edit(path, RescaleSlope=1.0 + n / 10, RescaleIntercept=0)
    (series,) = read(tmp_path).series
    assert "rescales" in series.repairs[0]
    volume = load(series)
    first = pydicom.dcmread(tmp_path / "slice900.dcm")
    assert np.allclose(volume.values()[0], first.pixel_array * float(first.RescaleSlope), rtol=1e-5)


@pytest.mark.parametrize("slope", [None, 0])
def test_a_slope_that_is_made_up_is_said(tmp_path, slope):
    write(tmp_path, Stack())
    for path in tmp_path.iterdir():
        edit(path, RescaleSlope=slope)
    (series,) = read(tmp_path).series
    assert (series.verdict, series.repairs) == ("repaired", ("The slope of the rescale to HU is missing or damaged: 1 is taken.",))


def test_one_slice_without_rescale_is_not_read_1024_hu_off(tmp_path):
    write(tmp_path, Stack())
    edit(sorted(tmp_path.iterdir())[5], RescaleIntercept=None, RescaleSlope=None)
    (series,) = read(tmp_path).series
    assert (series.verdict, series.reasons) == ("refused", ("1 of 12 slices have no rescale to HU.",))


def test_zip_of_a_scan(tmp_path):
    write(tmp_path / "scan", Stack())
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / "scan.zip", "w", method) as archive:
            for path in (tmp_path / "scan").iterdir():
                archive.write(path, f"study/{path.name}")
        assert_true(load(read(tmp_path / "scan.zip").series[0]))


def test_zip_with_names_that_climb_out(tmp_path):
    write(tmp_path / "scan", Stack())
    (tmp_path / "jail").mkdir()
    with zipfile.ZipFile(tmp_path / "jail" / "evil.zip", "w") as archive:
        for path in (tmp_path / "scan").iterdir():
            archive.write(path, f"../../{path.name}")
        archive.writestr("/absolute.txt", "hello")
    before = sorted(tmp_path.rglob("*"))
    assert_true(load(read(tmp_path / "jail" / "evil.zip").series[0]))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_zip_bomb_is_left_alone(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.dcm", b"\0" * 128 + b"DICM" + b"\0" * 5_000_000)
    content = bytearray((tmp_path / "bomb.zip").read_bytes())
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<I", 0xF0000000)  # says that it unpacks to 4 GB
    (tmp_path / "bomb.zip").write_bytes(content)
    with pytest.raises(Refusal, match="Too large when unpacked"):
        read(tmp_path / "bomb.zip")


def test_a_damaged_and_a_nested_zip(tmp_path):
    (tmp_path / "damaged.zip").write_bytes(b"PK\x03\x04" + os.urandom(300))
    with zipfile.ZipFile(tmp_path / "inner.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(tmp_path / "inner.zip", "inner.zip")
    with pytest.raises(Refusal) as refusal:
        read(tmp_path)
    assert "3 files" in refusal.value.sentence
    with pytest.raises(Refusal, match="ZIP file inside a ZIP file"):
        read(tmp_path / "outer.zip")


def test_links_that_go_round(tmp_path):
    write(tmp_path / "scan", Stack())
    (tmp_path / "scan" / "again").symlink_to(tmp_path)
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    scan = read(tmp_path)
    assert scan.series[0].slices == 12 and scan.series[0].verdict == "good"
    assert "broken link" in reasons(scan)["broken"]


def test_a_pipe_does_not_hang(tmp_path):
    write(tmp_path, Stack())
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Refusal, match="neither a file nor a folder"):
        read(tmp_path / "pipe")
    assert reasons(read(tmp_path)) == {"pipe": "Not a file."}


def test_a_folder_that_may_not_be_opened(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(Refusal, match="folder cannot be opened"):
        read(tmp_path)


def test_loading_from_another_working_folder(tmp_path, monkeypatch):
    write(tmp_path / "scan", Stack())
    monkeypatch.chdir(tmp_path)
    (series,) = read(Path("scan")).series
    monkeypatch.chdir("/")
    assert_true(load(series))


def test_files_that_may_not_be_read(tmp_path, monkeypatch):
    write(tmp_path, Stack())
    (tmp_path / "secret.dcm").write_bytes(b"x")
    opened = type(tmp_path).open

    def refuse(self, *args, **kwargs):
        if self.name == "secret.dcm":
            raise PermissionError(13, "denied")
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(type(tmp_path), "open", refuse)
    assert "no permission" in reasons(read(tmp_path))["secret.dcm"]


def nifti(path, data, affine=None):
    nibabel.save(nibabel.Nifti1Image(data, affine), path)
    return path


def test_nifti_that_cannot_be_planned_on(tmp_path):
    noise = np.random.default_rng(4).integers(-1000, 1500, (30, 30, 30)).astype(np.int16)
    (series,) = read(nifti(tmp_path / "a.nii.gz", noise)).series
    assert series.verdict == "refused" and "no orientation" in series.reasons[0]
    with pytest.raises(Refusal, match="single three-dimensional"):
        read(nifti(tmp_path / "b.nii.gz", np.stack([noise, noise], axis=-1), np.eye(4)))
    labels = np.zeros((30, 30, 30), np.uint8)
    labels[5:20, 5:20, 5:20] = 3
    with pytest.raises(Refusal, match="label map"):
        read(nifti(tmp_path / "c.nii.gz", labels, np.eye(4)))


def test_a_ct_written_without_its_rescale_is_not_taken_for_mr(tmp_path):
    tissue = np.random.default_rng(3).normal(40.0, 20.0, (40, 60, 60))
    tissue[:, :12], tissue[:, 50:, 25:30] = -1000.0, 700.0
    (stored,) = read(nifti(tmp_path / "stored.nii.gz", (tissue + 1024).round().astype(np.int16), np.eye(4))).series
    assert stored.verdict == "refused"
    assert "without their rescale" in stored.reasons[0] and "HU" in stored.way_out
    (whole,) = read(nifti(tmp_path / "hu.nii.gz", tissue.round().astype(np.int16), np.eye(4))).series
    assert whole.modality == "CT" and "without their rescale" not in " ".join(whole.reasons)


def test_nifti_gets_its_uid_from_its_content(tmp_path):
    noise = np.random.default_rng(4).integers(-1000, 1500, (30, 30, 30)).astype(np.int16)
    (a,) = read(nifti(tmp_path / "Doe^Jane.nii.gz", noise, np.eye(4))).series
    (b,) = read(nifti(tmp_path / "b.nii", noise, np.eye(4))).series
    (c,) = read(nifti(tmp_path / "c.nii", noise + 1, np.eye(4))).series
    assert a.uid == b.uid != c.uid
    assert a.modality == "CT" and a.description == "NIfTI image"


def test_nifti_that_promises_too_much(tmp_path):
    path = nifti(tmp_path / "a.nii", np.zeros((3, 3, 3), np.int16), np.eye(4))
    content = bytearray(path.read_bytes())
    content[42:48] = struct.pack("<hhh", 32000, 32000, 32000)
    path.write_bytes(content)
    with pytest.raises(Refusal, match="promises more voxels"):
        read(path)


def test_a_scan_that_does_not_fit_into_memory(tmp_path, monkeypatch):
    (series,) = read(write(tmp_path, Stack())).series
    monkeypatch.setattr(loading_module, "free_bytes", lambda: 1000.0)
    with pytest.raises(Refusal, match="GB of memory"):
        load(series)


def test_reading_can_be_cancelled(tmp_path):
    def cancel(share, what):
        if what == "Reading headers":
            raise Cancelled

    write(tmp_path, Stack())
    with pytest.raises(Cancelled):
        read(tmp_path, cancel)


def test_progress_grows_to_one(tmp_path):
    seen = []
    scan = read(write(tmp_path, Stack()), lambda share, what: seen.append(share))
    assert seen == sorted(seen) and seen[-1] == 1.0
    seen.clear()
    load(scan.series[0], lambda share, what: seen.append(share))
    assert seen == sorted(seen) and seen[-1] == 1.0


def test_json_is_the_contracts_and_names_nobody(tmp_path):
    write(tmp_path / "scan", Stack())
    (tmp_path / "note.txt").write_text("x")
    scan = read(tmp_path)
    said = scan_json(scan)
    assert list(said) == ["format", "version", "series", "skipped", "skipped_count"]
    assert (said["format"], said["version"]) == ("duraplan/scan", 1)
    names = "uid part description modality plane slices size spacing_mm extent_mm verdict reasons repairs"
    assert list(said["series"][0]) == names.split()
    assert said["skipped"] == [{"path": "note.txt", "reason": "A text file, not an image."}] and said["skipped_count"] == 1
    text = json.dumps(said, allow_nan=False) + repr(scan)
    assert not any(secret in text for secret in (NAME, NUMBER, BIRTH_DATE))
    patient = scan_json(scan, identify=True)["series"][0]["patient"]
    assert patient == {"name": NAME, "number": NUMBER, "birth_date": BIRTH_DATE}


def test_names_decode(tmp_path):
    names = (("SpecificCharacterSet", "ISO_IR 192"), ("PatientName", "山田^太郎"), ("SeriesDescription", "Wirbelsäule\x1b"))
    write(tmp_path, Stack(extra=names))
    (series,) = read(tmp_path).series
    assert series.identity.name == "山田^太郎"
    assert series.description == "Wirbelsäule"


def test_a_name_that_plays_tricks_on_a_terminal(tmp_path):
    write(tmp_path, Stack())
    (tmp_path / "a\x1b[2J\nb.txt").write_text("x")
    assert reasons(read(tmp_path)) == {"a[2Jb.txt": "A text file, not an image."}


def test_an_unknown_length_is_null(tmp_path):
    scan = read(write(tmp_path, Stack(places=(0,))))
    assert scan_json(scan)["series"][0]["spacing_mm"][0] is None


def test_choosing(tmp_path):
    write(tmp_path, Stack(places=(*range(14), *range(15, 17), *range(18, 30))))
    scan = read(tmp_path)
    assert choose(scan).part == 0
    uid = scan.series[0].uid
    assert choose(scan, uid, 1).part == choose(scan, f"{uid}/1").part == 1
    with pytest.raises(Refusal, match="Slices 14 and 15"):
        choose(scan, uid, 2)
    with pytest.raises(Refusal, match="no series with this UID"):
        choose(scan, "1.2.3")


def test_random_damage_never_crashes(tmp_path):
    """Bytes of one slice are changed at random: it is read, skipped or refused; whatever else is raised fails the test."""
    write(tmp_path, Stack(rows=8, columns=8, places=tuple(range(6))))
    target = tmp_path / "slice898.dcm"
    whole = target.read_bytes()
    dice = random.Random(11)
    for _ in range(80):
        content = bytearray(whole)
        for _ in range(dice.choice((1, 3, 30))):
            content[dice.randrange(len(content))] = dice.randrange(256)
        target.write_bytes(content)
        for series in read(tmp_path).series:
            try:
                load(series)
            except Refusal as refusal:
                assert refusal.sentence.endswith(".")
