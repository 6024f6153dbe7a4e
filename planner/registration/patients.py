"""Whether two scans say that they are of one patient."""

from __future__ import annotations

from planner.scan.series import Identity, Series


def patient_doubts(planning: Series, second: Series) -> tuple[str, ...]:
    """A sentence where the files of the two scans name different patients, without a name; none where they do not say."""
    return ("The files of the two scans name different patients.",) if _one(planning.identity, second.identity) is False else ()


def patient_known(planning: Series, second: Series) -> bool:
    """Whether the files of both say whose they are: else nobody has checked that they are of one patient."""
    return _one(planning.identity, second.identity) is not None


def _one(one: Identity, other: Identity) -> bool | None:
    """Whether two identities are of one patient; None where they have nothing in common to compare. A date of birth is written in one way,
    a number is one hospital's own, a name is written in many."""
    if one.birth_date and other.birth_date and one.birth_date.strip() != other.birth_date.strip():
        return False
    if one.number.strip() and other.number.strip():
        return one.number.strip() == other.number.strip()
    if _plain(one.name) and _plain(other.name):
        return _plain(one.name) == _plain(other.name)
    return None


def _plain(name: str) -> str:
    """A name as two systems may both write it: no case, no separators."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())
