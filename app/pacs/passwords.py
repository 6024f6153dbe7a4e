"""Passwords of DICOMweb users, in the system's keyring and nowhere else."""

from __future__ import annotations

import keyring
from keyring.errors import KeyringError, PasswordDeleteError

from app.pacs.nodes import Node
from planner.refusal import Refusal

_SERVICE = "duraplan PACS"
_WAY_OUT = "Unlock or install one (GNOME Keyring, KWallet, Keychain, Credential Locker); nothing is kept elsewhere."


def password_of(node: Node) -> str | None:
    """The password that is kept for a node; None where none is. Raises Refusal where there is no keyring, or it stays locked."""
    try:
        return keyring.get_password(_SERVICE, _account(node))
    except (KeyringError, OSError, RuntimeError) as error:
        raise Refusal(f"The password of {node.name} cannot be read: the system's keyring does not answer.", _WAY_OUT) from error


def keep_password(node: Node, password: str) -> None:
    """Keep the password of a node; an empty one is forgotten. Raises Refusal where there is no keyring, or it stays locked."""
    try:
        if password:
            keyring.set_password(_SERVICE, _account(node), password)
            return
        try:
            keyring.delete_password(_SERVICE, _account(node))
        except PasswordDeleteError:  # there was none
            return
    except (KeyringError, OSError, RuntimeError) as error:
        raise Refusal(f"The password of {node.name} is not kept: the system's keyring does not answer.", _WAY_OUT) from error


def _account(node: Node) -> str:
    """Whose password: of a user at an address, so that it never goes to another server."""
    return f"{node.user} at {node.url}"
