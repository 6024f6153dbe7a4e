"""What the numbers mean that a server answers with, in a few words and without its comment: that may quote a patient."""

from __future__ import annotations

from typing import Any

PENDING = (0xFF00, 0xFF01)
SUCCESS = 0x0000
CANCELLED = 0xFE00

_MEANINGS = {
    0x0110: "it failed inside",
    0x0111: "it has that already",
    0x0112: "it does not have that",
    0x0117: "an image is not as it should be",
    0x0122: "it does not take this kind of object",
    0x0124: "this program may not",
    0x0211: "it does not know this request",
    0x0212: "it did not understand the request",
    0xA701: "it could not count what matches",
    0xA702: "it could not send the images on",
    0xA801: "it does not know where to send: our AE title is not entered there",
    0xA900: "the request does not fit what it has",
    0xB000: "it could not give some images",
}
_RANGES = {0xA7: "it has no room or no time", 0xA9: "the object does not fit its kind", 0xC0: "it could not do it"}


def number(answer: Any) -> int | None:
    """The status in an answer; None when the connection was lost before it came."""
    return int(answer.Status) if answer is not None and "Status" in answer else None


def meaning(status: int) -> str:
    """A status in words, with its number for whoever runs the server."""
    words = _MEANINGS.get(status) or _RANGES.get(status >> 8) or "it gave no reason"
    return f"{words} (status {status:04X})"
