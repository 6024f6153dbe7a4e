"""The quick reading of headers says what pydicom says, of every file that it takes."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.progress import silent
from planner.scan import headers
from planner.scan.elements import elements
from planner.scan.files import Found, find
from planner.scan.headers import Unreadable, read_header
from planner.scan.series import Place
from tests.data import real
from tests.planner.scan.writer import NAME, Stack, dataset


def slices_of(found):
    try:
        return read_header(found)
    except Unreadable as reason:
        return str(reason)


def by_pydicom_alone(found, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(headers, "elements", lambda file, wanted: None)
        return slices_of(found)


def is_quick(path):
    with path.open("rb") as file:
        return elements(file, headers._WANTED) is not None


@pytest.mark.real
@pytest.mark.parametrize("folder", ["messy-dicom", "thoracic-ct", "gantry-tilt-head-ct", "lumbar-ct-labelled-3mm"])
def test_every_real_file_reads_as_by_pydicom(folder, monkeypatch):
    quick = 0
    files = [one for one in find(real(folder), silent)[0] if one.kind == "dicom"]
    for one in files:
        assert slices_of(one) == by_pydicom_alone(one, monkeypatch), one.place.name
        quick += one.place.member is None and is_quick(one.place.path)
    assert quick > len(files) / 3


def test_a_name_in_its_own_letters(tmp_path):
    one = dataset(Stack(), 0)
    one.SpecificCharacterSet, one.PatientName = ["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"
    one.save_as(tmp_path / "a.dcm")
    assert is_quick(tmp_path / "a.dcm")
    assert read_header(find(tmp_path, silent)[0][0])[0].identity.name == "Yamada^Tarou=山田^太郎"


def test_large_private_blocks_and_sequences_without_length_are_passed_over(tmp_path):
    one = dataset(Stack(), 0)
    block = one.private_block(0x0009, "TEST", create=True)
    block.add_new(1, "OB", b"\1" * 200_000)
    items = [dataset(Stack(), 1)]
    del items[0].PixelData
    block.add_new(2, "SQ", items)
    block[2].is_undefined_length = items[0].is_undefined_length_sequence_item = True
    one.save_as(tmp_path / "a.dcm")
    assert is_quick(tmp_path / "a.dcm")
    (read,) = read_header(find(tmp_path, silent)[0][0])
    assert read.position == tuple(Stack().positions()[0]) and read.identity.name == NAME


@settings(max_examples=300, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(132, 1200), byte=st.integers(0, 255), cut=st.integers(0, 4))
def test_a_damaged_header_never_reads_as_other_numbers_than_by_pydicom(tmp_path, monkeypatch, at, byte, cut):
    """Geometry and storage are those that pydicom reads, wherever both read the file."""
    whole = tmp_path / "whole.dcm"
    if not whole.exists():
        dataset(Stack(rows=8, columns=8), 0).save_as(whole)
    data = bytearray(whole.read_bytes())
    at %= len(data) - 8
    data[at] = byte
    del data[at + 1 : at + 1 + cut]
    path = tmp_path / "damaged.dcm"
    path.write_bytes(data)
    found = Found(Place(path, "damaged.dcm"), "dicom", len(data))
    quick, slow = slices_of(found), by_pydicom_alone(found, monkeypatch)
    if isinstance(quick, str) or isinstance(slow, str):
        return
    assert [one.pixels for one in quick] == [one.pixels for one in slow]
    assert [one.position for one in quick] == [one.position for one in slow]


@pytest.mark.parametrize(
    "whole, damaged",
    [
        (b"OW\0\0\x80\1\0\0", b"OW\xe0\xba\x80\1\0\0"),  # reserved bytes that are not zero
        (b"OW\0\0\x80\1\0\0", b"O\xff\xff\xff\x80\1\0\0"),  # no such kind of value
        (b"OW\0\0\x80\1\0\0", b"OW\0\0\x80\1\0\7"),  # a length beyond the end of the file
        (b"\2\1US\2\0\x0f\0", b"\2\1US\2\0\xff\xff"),  # a highest bit above all bits
    ],
)
def test_pixels_whose_place_is_damaged_are_not_read_a_few_bytes_off(tmp_path, whole, damaged):
    """Found by tests/bench/fuzz.py: each loaded as a slice of noise and was called good."""
    dataset(Stack(rows=16, columns=12), 0).save_as(tmp_path / "a.dcm")
    data = (tmp_path / "a.dcm").read_bytes()
    assert data.count(whole) == 1
    (tmp_path / "a.dcm").write_bytes(data.replace(whole, damaged))
    assert isinstance(slices_of(find(tmp_path, silent)[0][0]), str)
