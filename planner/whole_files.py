"""Files that are written whole or not at all, one alone or several as a set; what goes wrong on the way is a Refusal."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from planner.refusal import Refusal

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


def refusal_of(error: OSError, what: str, where: Path) -> Refusal:
    """The sentence for a write that failed. what: "The case", "The plan"."""
    if error.errno in _FULL:
        return Refusal(f"{what} was not saved: the disk of {where} is full.", "Free some space or choose another folder; nothing is lost.")
    if error.errno in _READ_ONLY:
        return Refusal(f"{what} was not saved: {where} cannot be written to.", "Choose another folder; nothing is lost.")
    return Refusal(f"{what} was not saved in {where}: {_reason(error)}.", "Choose another folder; nothing is lost.")


def write_whole(path: Path, data: bytes, previous: Path | None = None) -> None:
    """Replace a file by `data`, durably and at one stroke; its old version is kept as `previous` if that is given. Raises OSError."""
    handle, part = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(part, 0o666 & ~_umask())  # mkstemp's 0600 is for secrets
        if previous is not None and path.exists():
            _keep(path, previous)
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _keep(path: Path, previous: Path) -> None:
    beside = previous.with_name(f".{previous.name}.part")
    beside.unlink(missing_ok=True)
    try:
        os.link(path, beside)
    except OSError:  # a file system without links
        shutil.copy2(path, beside)
    os.replace(beside, previous)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


@contextmanager
def staged(out: Path, what: str) -> Iterator[Path]:
    """An empty folder whose entries are moved into `out` together when the block ends; nothing of it stays when the block fails.

    out is made where it is missing, and taken away again on failure. Entries of the same name are replaced. what: "The plan", for the
    sentence. Raises Refusal for a disk that is full, a folder that cannot be written to, a file where the folder should be, and for what
    the block cannot read.
    """
    if out.exists() and not out.is_dir():
        raise Refusal(f"{out} is a file, not a folder.", "Give another folder to --out.")
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    stage: Path | None = None
    try:
        try:
            out.mkdir(parents=True, exist_ok=True)
            stage = Path(tempfile.mkdtemp(prefix=".duraplan-", dir=out))
            new = stage / "new"
            new.mkdir()
        except OSError as error:
            raise refusal_of(error, what, out) from error
        try:
            yield new
        except OSError as error:
            raise _refusal_within(error, what, out, stage) from error
        try:
            _move_in(new, stage / "old", out)
        except OSError as error:
            raise refusal_of(error, what, out) from error
        shutil.rmtree(stage, ignore_errors=True)
    except BaseException:
        if stage is not None:
            shutil.rmtree(stage, ignore_errors=True)
        for folder in made:
            try:
                folder.rmdir()
            except OSError:
                break
        raise


def _refusal_within(error: OSError, what: str, out: Path, stage: Path) -> Refusal:
    """The sentence for what failed while a set was made: writing it, or reading what it is made of."""
    named = Path(os.fsdecode(error.filename)).absolute() if isinstance(error.filename, str | bytes | os.PathLike) else None
    if error.errno in _FULL or (named is not None and named.is_relative_to(stage.absolute())):
        return refusal_of(error, what, out)
    if named is not None:
        return Refusal(f"{named.name} could not be read: {_reason(error)}.", "Check the disk that it is on; nothing is lost.")
    return Refusal(f"{what} was not made: {_reason(error)}.", "Check the disk that the scan is on, and that of --out; nothing is lost.")


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else "the system gave no reason"


def _move_in(new: Path, old: Path, out: Path) -> None:
    """Move every entry of `new` into `out`; when one fails, those before it are put back as they were."""
    old.mkdir()
    moved: list[str] = []
    try:
        for entry in sorted(new.iterdir()):
            if (out / entry.name).exists():
                os.rename(out / entry.name, old / entry.name)
            moved.append(entry.name)
            os.rename(entry, out / entry.name)
    except BaseException:
        for name in moved:
            if (out / name).exists():
                os.rename(out / name, new / name)
            if (old / name).exists():
                os.rename(old / name, out / name)
        raise
