"""Whether a node answers: the button for whoever sets it up."""

from __future__ import annotations

from time import monotonic

from pydicom.uid import UID
from pynetdicom.presentation import build_context

from app.pacs.association import UNCOMPRESSED, Call
from app.pacs.attended import LIMITS, Limits, attended
from app.pacs.nodes import Node, checked
from app.pacs.status import SUCCESS, meaning, number
from planner.progress import Progress, silent
from planner.refusal import Refusal

VERIFICATION = UID("1.2.840.10008.1.1")  # PS3.4 A.4


def echo(node: Node, progress: Progress = silent, limits: Limits = LIMITS) -> float:
    """Call a node and hang up: seconds until its answer. Raises Refusal with what is wrong."""
    node = checked(node)
    if node.by_web:
        from app.pacs.web import echo as echo_by_web

        return echo_by_web(node, progress, limits)
    call = Call(node, limits)

    def work(report: Progress) -> float:
        start = monotonic()
        with call.open([build_context(VERIFICATION, list(UNCOMPRESSED))]) as association:
            if not association.accepted_contexts:
                raise Refusal(f"{node.name} talks to this program, but not about an echo.", "A query may still work.")
            code = number(association.send_c_echo())
            if code is None:
                raise call.lost()
            if code != SUCCESS:
                raise Refusal(f"{node.name} does not answer the echo: {meaning(code)}.", "Ask whoever runs the server.")
            return monotonic() - start

    return attended(work, progress, call.break_off, call.watch)
