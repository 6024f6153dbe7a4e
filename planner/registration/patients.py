"""Whether two scans say that they are of one patient."""

from __future__ import annotations

from planner.scan.series import Identity, Series


def patient_doubts(planning: Series, second: Series) -> tuple[str, ...]:
    """A sentence where the files of the two scans name different patients, without a name; none where they do not say."""
    return ("The files of the two scans name different patients.",) if _differ(planning.identity, second.identity) else ()


def _differ(one: Identity, other: Identity) -> bool:
    if one.number and other.number:
        return one.number.strip() != other.number.strip()
    if one.birth_date and other.birth_date and one.birth_date != other.birth_date:
        return True
    return bool(one.name and other.name) and _plain(one.name) != _plain(other.name)


def _plain(name: str) -> str:
    """A name as two systems may both write it: no case, no separators."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())
