"""Which structure a name stands for: of a segment, of a file that holds one mask, or of a row in a list of labels."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache

from planner.anatomy import labels as codes
from planner.anatomy.labels import ALL_LEVELS
from planner.evidence import RESOURCES

_ROOM = RESOURCES / "label_schemes"
_SIDES = re.compile(r"\b(left|right)\b")
_LEVEL = re.compile(r"\b([ctls])(?:pine)? ?0?(\d{1,2})\b")
_ORDINAL = re.compile(r"\b(\w+) (cervical|thoracic|lumbar|sacral) (?:vertebra|disc)\b")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth")
_VERTEBRA_WORDS = frozenset({"vertebra", "vertebrae", "vertebral", "spine", "label", "bone", "structure", "level", "body", "of", "the"})
_DISC_WORDS = frozenset({"disc", "discs", "disk", "disks", "ivd", "intervertebral", "vertebral", "structure", "of", "the"})


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    content = json.loads((_ROOM / "names.json").read_text("utf-8"))
    return tuple((name, re.compile("|".join(f"(?:{one})" for one in found))) for name, found in content.items() if isinstance(found, list))


def structure_named(said: str) -> str | None:
    """The structure that a name stands for (`vertebrae_L4`, `Fourth lumbar vertebra`, `disc L4-L5`, `Spinal cord`), or None."""
    text = " ".join(re.sub(r"[^a-z0-9]+", " ", _SIDES.sub(" ", re.sub(r"[_\W]+", " ", said.lower()))).split())
    ordinal = _ORDINAL.search(text)
    if ordinal and ordinal[1] in _ORDINALS:
        text = text.replace(ordinal[0], f"{ordinal[2][0]}{_ORDINALS.index(ordinal[1]) + 1} vertebra")
    levels = [f"{letter.upper()}{int(number)}" for letter, number in _LEVEL.findall(text)]
    rest = set(_LEVEL.sub(" ", text).split())
    if len(levels) == 1 and rest <= _VERTEBRA_WORDS and levels[0] in ALL_LEVELS:
        return f"vertebra {levels[0]}"
    if len(levels) == 2 and rest <= _DISC_WORDS and codes.are_neighbours(levels[0], levels[1]):
        return f"disc {levels[0]}-{levels[1]}"
    return next((name for name, pattern in _patterns() if pattern.fullmatch(text)), None)


def program_of(names: Iterable[str]) -> str | None:
    """Whose names these are, where some are one program's alone (resources/label_schemes/programs.json); None where that is open."""
    said = {name.lower() for name in names}
    content: dict[str, list[str]] = json.loads((_ROOM / "programs.json").read_text("utf-8"))["programs"]
    return next((program for program, own in content.items() if said & {name.lower() for name in own}), None)
