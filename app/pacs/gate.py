"""A mend for pynetdicom 3.0: between two messages its own loop may take the answer that belongs to the caller, who then waits for ever."""

from __future__ import annotations

import threading

from pynetdicom.association import Association

_LOOK_S = 0.05


class Gate(threading.Event):
    """Stands where the loop of an association waits while its user talks.

    pynetdicom closes its event and trusts a flag that the loop sets before it waits, and that is still set when it has just gone on: the
    loop then reads one message more. Closing this gate returns when the loop stands before it, or is gone.
    """

    def __init__(self, association: Association) -> None:
        super().__init__()
        self._association = association
        self._turn = threading.Condition()
        self._standing = False
        super().set()

    def clear(self) -> None:
        """Close the gate, and wait until the loop stands before it."""
        with self._turn:
            super().clear()
            while not self._standing and self._association.is_alive() and threading.current_thread() is not self._association:
                self._turn.wait(_LOOK_S)

    def set(self) -> None:
        """Open the gate."""
        with self._turn:
            super().set()
            self._turn.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Stand before the gate until it is open."""
        with self._turn:
            self._standing = True
            self._turn.notify_all()
            while not self.is_set():
                self._turn.wait(_LOOK_S)
            self._standing = False
        return True


def guard(association: Association) -> None:
    """Put the gate into an association that was just opened."""
    association._reactor_checkpoint = Gate(association)
