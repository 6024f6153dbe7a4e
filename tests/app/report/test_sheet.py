"""The plan sheet: what it says, in HTML and on paper."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

import pytest

from app.report import Sheet, make_sheet, page_images, sheet_html, write_html, write_pdf
from planner.case.case import Case, ScanReference, SecondScan
from planner.case.derive import Plan
from planner.exchange.plan_file import plan_content
from planner.registration import LevelError, Registration, Rigid
from planner.scan.series import Series
from tests.planner.case import hand_made

NASTY = '<script>alert("1")</script> & "quoted" http://example.org'


def sheet_of(plan: Plan, series: Series | None = None, identify: bool = False) -> Sheet:
    return make_sheet(plan, hand_made.volume(), series or hand_made.series(), identify=identify, surfaces={})


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    return sheet_of(hand_made.plan(notes=f"Third session.\n{NASTY}"))


def _figures(sheet: Sheet) -> dict[str, tuple[str, str]]:
    card = sheet.cards[0]
    return {figure.label: (figure.value, figure.note) for figure in (*card.figures, *card.patch)}


def test_the_room_card_says_where_to_go_in(sheet: Sheet) -> None:
    figures = _figures(sheet)
    assert figures["Table to the entry slice"][0] == "I 34.0 mm"
    assert figures["Entry from the spinous midline"][0] == "71 mm right"
    assert figures["In plane, from vertical"][0] == "42° to the left"
    assert figures["Out of plane"] == ("3° to the feet", "tip 4 mm toward the head")  # made by hand: the ends need not agree
    assert figures["Skin to target"] == ("96 mm", "72 mm straight down")
    assert figures["Needle"] == ("22G, 120 mm", "Quincke; 24 mm stays outside")
    assert figures["C-arm, down the barrel"][0] == "42° right, 3° head"
    assert figures["Fibrin, first"][0] == "4 mL"
    assert figures["Blood, to tolerance"][0] == "8 mL"
    assert figures["Leak covered"] == ("100 %", "(80–100)")
    assert figures["Canal filled, fullest slice"] == ("57 %", "(44–66)")
    assert figures["Sac narrowed, at most"] == ("38 %", "(24–51)")
    assert figures["90 % cover from"] == ("9.6 mL", "(7.2–not reached)")


def test_what_was_not_checked_stands_out_and_nothing_is_called_clear(sheet: Sheet) -> None:
    table = sheet.cards[0].checks
    assert table is not None
    loud = [row for row in table.rows if row.tone == "bad"]
    assert [row.cells[0] for row in loud] == ["Not checked"]
    unseen = loud[0].cells[1].removesuffix(": look before you advance").split(", ")
    assert "kidney" in unseen  # its check was not made
    assert "lung" in unseen  # nobody even listed it
    assert "bone" not in unseen
    assert any("! not as wanted" in row.cells for row in table.rows)
    words = sheet_html(sheet).lower()
    for never in ("perforation", "optimal", " safe", "is clear", "collision-free"):
        assert never not in words


def test_the_sheet_says_what_levels_rest_on() -> None:
    plan = hand_made.plan()
    assert sheet_of(plan).cards[0].subtitle == "observed · levels counted from L2, named by the user"
    nobody = replace(plan, anatomy=replace(plan.anatomy, anchor=None))
    assert "level not confirmed" in sheet_of(nobody).cards[0].subtitle
    assert sheet_of(nobody).cards[0].title == "Ventral leak, L1-L2 ? right"
    assert sheet_of(nobody).cards[0].cautions[-1].startswith("Level not confirmed")
    guessed = replace(plan, anatomy=replace(plan.anatomy, anchor=replace(plan.anatomy.anchor, by="program")))
    assert sheet_of(guessed).cards[0].subtitle == "observed · level not confirmed: counted from L2, guessed by the program"
    assert "take it that the cord is here" in " ".join(
        sheet_of(replace(nobody, sites=(replace(plan.sites[0], anatomy=nobody.anatomy),))).cards[0].in_the_room
    )


def test_a_potential_site_is_never_called_a_leak() -> None:
    plan = hand_made.plan()
    site = plan.sites[0]
    leak = replace(site.site.leak, kind="sleeve", certainty="potential")
    card = sheet_of(replace(plan, sites=(replace(site, site=replace(site.site, leak=leak)),))).cards[0]
    assert card.title == "Potential site: nerve-root sleeve, L1-L2 right"


def test_cautions_of_scan_and_needle_stand_on_the_first_page() -> None:
    plan = hand_made.plan()
    taken = replace(plan.sites[0].taken, checks=(*plan.sites[0].taken.checks[:0], replace(plan.sites[0].taken.checks[0], ok=False)))
    moved = replace(plan.sites[0].site, taken=replace(plan.sites[0].site.taken, moved=True))
    made = replace(plan, sites=(replace(plan.sites[0], taken=taken, site=moved),))
    coarse = replace(hand_made.series(), notes=("Too coarse to plan on.",), patient_position="FFS")
    said = " ".join(sheet_of(made, coarse).cards[0].cautions)
    assert "This needle breaks a limit: bone." in said
    assert "moved by hand" in said
    assert "Too coarse to plan on." in said
    assert "Scanned supine, planned prone" in said


def test_where_no_needle_was_found_the_card_says_why() -> None:
    card = sheet_of(hand_made.plan_without_needle()).cards[0]
    assert card.cautions[0] == "No needle: Bone closes the foramen. Try another level."
    assert (card.figures, card.checks, card.patch) == ((), None, ())


def test_a_patient_is_named_only_when_asked_and_a_phantom_always() -> None:
    plan = hand_made.plan()
    assert "Doe^" not in sheet_html(sheet_of(plan))
    assert "Doe^Jane, number 4711, born 19700101" in sheet_html(sheet_of(plan, identify=True))
    assert sheet_of(plan).watermark == ""
    assert sheet_of(plan, replace(hand_made.series(), description="Phantom CT")).watermark == "Phantom"
    example = replace(plan, case=replace(plan.case, scan=replace(plan.case.scan, example="example myelogram")))
    assert "Phantom" in sheet_html(sheet_of(example))


class _References(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [value or "" for name, value in attributes if name in ("src", "href", "srcset", "data", "action")]


def test_the_html_is_one_file_and_every_text_is_escaped(sheet: Sheet) -> None:
    html = sheet_html(sheet)
    parser = _References()
    parser.feed(html)
    assert parser.found
    assert all(reference.startswith("data:image/png;base64,") for reference in parser.found)
    assert not {"script", "link", "iframe", "object"} & parser.tags
    assert "&lt;script&gt;" in html
    assert "url(" not in html
    assert "@import" not in html
    assert html.lower().count("not a medical device") == 1


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
def test_the_paper_has_the_numbers_of_the_plan(sheet: Sheet, tmp_path: Path) -> None:
    write_pdf(sheet, tmp_path / "report.pdf")
    text = subprocess.run(["pdftotext", "-layout", str(tmp_path / "report.pdf"), "-"], capture_output=True, text=True, check=True).stdout
    made = plan_content(hand_made.plan())
    taken = made["candidates"][0]
    assert f"{taken['depth_mm']:.0f} mm" in text
    assert f"{abs(taken['in_plane_deg']):.0f}° to the left" in text
    assert f"{abs(taken['entry_offset_mm']):.0f} mm right" in text
    assert f"{taken['clearance_mm']['bone']:.1f} mm" in text
    assert made["leaks"][0]["level"] in text
    for row in made["patch"]["dose_response"]:
        if row["ml"] in (4.0, 12.0, 20.0):
            low, median, high = (round(100 * share) for share in row["leak_covered"])
            assert re.search(rf"^ *{row['ml']:.0f} +{median} \({low}–{high}\)", text, re.MULTILINE)
    assert "look before you advance" in text
    assert text.count("not a medical device") == 1
    assert not re.search("[\ue000-\uf8ff]", text), "letters that nobody can search for or copy"


def test_page_one_holds_the_whole_card(sheet: Sheet, tmp_path: Path) -> None:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    write_pdf(sheet, tmp_path / "report.pdf")
    first = subprocess.run(["pdftotext", "-l", "1", str(tmp_path / "report.pdf"), "-"], capture_output=True, text=True, check=True).stdout
    for words in ("ROOM CARD", "THE WAY IN", "CHECKS", "PATCH", "IN THE ROOM", "ASK BEFORE", "patient can report and move"):
        assert words in first.replace("\u00a0", " ")


def pages_of_card(sheet: Sheet, more: int) -> int:
    """How many pages the first card takes with so many more lines for the room."""
    lines = tuple(f"Line {n} that the room has to read." for n in range(more))
    card = replace(sheet.cards[0], in_the_room=sheet.cards[0].in_the_room + lines)
    return len(page_images(replace(sheet, cards=(card,), sections=()), 30))


def test_a_card_that_is_a_little_too_long_is_drawn_smaller_and_stays_one_page(sheet: Sheet, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pages_of_card(sheet, 0) == 1
    with monkeypatch.context() as full_size:
        full_size.setattr("app.report.pdf._SHARES", (1.0,))
        too_long = next(more for more in range(60) if pages_of_card(sheet, more) == 2)
    fitted = [pages_of_card(sheet, too_long + more) for more in range(12)]
    assert fitted[:3] == [1, 1, 1]
    assert 2 in fitted, "letters that are ever smaller cannot be read at arm's length"


def test_a_card_that_cannot_fit_keeps_its_full_size(sheet: Sheet, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = tuple(f"Line {n} that the room has to read." for n in range(60))
    long = replace(sheet, cards=(replace(sheet.cards[0], in_the_room=lines),), sections=())
    pages = page_images(long, 30)
    monkeypatch.setattr("app.report.pdf._SHARES", (1.0,))
    assert len(pages) > 1
    assert pages == page_images(long, 30)


def test_pages_are_drawn_for_the_screen_too(sheet: Sheet) -> None:
    pages = page_images(sheet, 60)
    assert len(pages) >= 2
    assert (pages[0].width(), pages[0].height()) == (496, 702)
    colours = {pages[0].pixelColor(x, y).name() for x in range(0, 496, 7) for y in range(0, 702, 7)}
    assert len(colours) > 20


def test_a_full_disk_leaves_no_half_sheet(sheet: Sheet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    for write, name in ((write_pdf, "report.pdf"), (write_html, "report.html")):
        with pytest.raises(OSError, match="No space"):
            write(sheet, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_case_without_sites_gives_a_sheet_without_cards() -> None:
    plan = replace(hand_made.plan(), case=Case(), sites=(), forecast=None)
    assert sheet_of(plan).cards == ()


def test_a_site_without_a_needle_adds_nothing_to_the_volume_that_is_forecast() -> None:
    one, none = hand_made.plan(), hand_made.plan_without_needle()
    dosed = replace(one.sites[0], blood_ml=3.0, fibrin_ml=0.0)
    alone = sheet_of(replace(one, sites=(dosed,)))
    both = sheet_of(replace(one, sites=(dosed, none.sites[0]), case=replace(one.case, sites=(dosed.site, none.sites[0].site))))
    assert _figures(alone)["Leak covered"][0] == "25 %"
    assert _figures(both)["This leak covered"][0] == "25 %"
    assert both.cards[0].in_the_room == alone.cards[0].in_the_room


def test_a_needle_that_the_program_took_is_said_to_be_a_proposal(sheet: Sheet) -> None:
    made = hand_made.plan()
    site = made.sites[0].site
    assert site.taken is not None
    proposed = replace(made.sites[0], site=replace(site, taken=replace(site.taken, by_program=True)))
    assert any("nobody has taken" in caution for caution in sheet_of(replace(made, sites=(proposed,))).cards[0].cautions)
    assert not any("nobody has taken" in caution for caution in sheet.cards[0].cautions)


def pages_of(path: Path) -> list[str]:
    """The words of each page of a PDF."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    whole = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, text=True, check=True).stdout
    return [" ".join(page.split()) for page in whole.split("\f") if page.strip()]


@pytest.mark.parametrize(("by", "words"), [("user", "levels counted from L2, named by"), ("program", "counted from L2, guessed by")])
def test_every_page_says_what_its_levels_rest_on(by: Literal["user", "program"], words: str, tmp_path: Path) -> None:
    plan = hand_made.plan()
    assert plan.anatomy.anchor is not None
    anatomy = replace(plan.anatomy, anchor=replace(plan.anatomy.anchor, by=by))
    made = sheet_of(replace(plan, anatomy=anatomy, sites=tuple(replace(site, anatomy=anatomy) for site in plan.sites)))
    write_pdf(made, tmp_path / "report.pdf")
    pages = pages_of(tmp_path / "report.pdf")
    assert len(pages) > 1
    for number, page in enumerate(pages, start=1):
        assert words in page, f"page {number}"
    assert words in sheet_html(made).partition('class="behind"')[2].lower().replace("l2", "L2")
    ways = next(section.table for section in made.sections if section.table is not None and "Opening" in section.table.head)
    assert all(("?" in row.cells[1]) == (by == "program") for row in ways.rows)


def test_the_sheet_says_that_a_second_scan_was_shown_and_which_leak_nobody_looked_at() -> None:
    plan = hand_made.plan()
    assert "Second scan" not in [section.title for section in sheet_of(plan).sections]
    levels = (LevelError((0.0, 0.0, 0.0), 0.4), LevelError((0.0, 0.0, -30.0), 0.8), LevelError((0.0, 0.0, -60.0), None, None, "not held"))
    second = SecondScan(ScanReference("/mr", "1.2.3", 0, (1, 2, 3), "x"), Registration(Rigid(), "search", 0.6, levels))
    carried = replace(plan.sites[0], site=replace(plan.sites[0].site, carried=True))
    made = sheet_of(replace(plan, case=replace(plan.case, second=second), sites=(carried,)))
    (section,) = (one for one in made.sections if one.title == "Second scan")
    assert section.paragraphs[-1] == "Its registration was good: 2 of 3 levels checked, the worst 0.8 mm off."
    assert "Leak marked on another scan, carried over by registration, not confirmed here." in made.cards[0].cautions
    moved = replace(second, registration=Registration(Rigid(), "by hand", doubts=("A doubt.",)))
    (section,) = (s for s in sheet_of(replace(plan, case=replace(plan.case, second=moved))).sections if s.title == "Second scan")
    assert section.paragraphs[-2:] == ("How far its levels lay off was not measured.", "A doubt.")
