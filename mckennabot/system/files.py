"""Writes files so that a kill at any instant leaves the old content or the new, never a part."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from mckennabot.errors import MckennabotError, ResourceError, UsageError
from mckennabot.system.locks import claim, claimed

_SHOWN = 100
"""Characters of a name that its temporary one begins with; file systems allow 255 bytes in all."""
NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


def write_atomic(path: Path, content: str | bytes) -> None:
    """Replace a file's content in one step: temporary name beside it, flush, fsync, rename.

    Raises:
        ResourceError: the disk is full, or a quota or size limit is reached.
        UsageError: the place cannot be written to.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def refuse_over(output: Path, read: Iterable[Path]) -> None:
    """Make sure that an output replaces nothing that is read for it, under whichever name; force or not.

    Raises:
        UsageError: it would.
    """
    for path in read:
        try:
            same = output.samefile(path)
        except OSError:  # one of them is not there
            continue
        if same:
            raise UsageError(
                "the output would replace what is read for it",
                path=output,
                hint="Nothing that is read is written over, --force or not: choose another -o.",
            )


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path` that takes its name when the block ends without an error.

    Raises:
        ResourceError, UsageError: as `write_atomic`.
    """
    temporary = temporary_name(path, "part")
    try:
        try:
            with _claimed(temporary):
                yield temporary
        except OSError as error:
            if not _is_of_writing(error, temporary):
                raise  # the block does other things too
            raise write_error(error, path) from error
        try:
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
        except OSError as error:
            raise write_error(error, path) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _claimed(path: Path) -> Iterator[None]:
    """Be known to be at work on a file, which is made if need be, or a directory; see `leftovers`."""
    if sys.platform == "win32":  # where nothing that is open can be given another name
        yield
        return
    how = os.O_RDONLY if path.is_dir() else os.O_WRONLY | os.O_CREAT
    descriptor = os.open(path, how, 0o666)
    try:
        claim(descriptor)
        yield
    finally:
        os.close(descriptor)


def temporary_name(path: Path, ending: str) -> Path:
    """Return a free name next to `path` that `leftovers` recognises: ``.NAME.TOKEN.ENDING``."""
    return path.with_name(f".{path.name[:_SHOWN]}.{secrets.token_hex(4)}.{ending}")


def leftovers(paths: Iterable[Path], ending: str) -> Iterator[tuple[Path, Path]]:
    """Find what killed processes have left under temporary names next to `paths`.

    Args:
        paths: what the processes were to write.
        ending: of the temporary names, as `temporary_name` makes them.

    Yields:
        one of `paths`, and what was to become it.
    """
    named: dict[Path, dict[str, Path]] = {}
    for path in paths:
        named.setdefault(path.parent, {})[path.name[:_SHOWN]] = path
    for directory, names in named.items():
        with contextlib.suppress(OSError):
            for entry in sorted(directory.iterdir()):
                match = re.fullmatch(rf"\.(.+)\.[0-9a-f]{{8}}\.{re.escape(ending)}", entry.name, re.DOTALL)
                if match and match[1] in names and not entry.is_symlink() and not claimed(entry):
                    yield names[match[1]], entry


def clear_leftovers(*paths: Path) -> None:
    """Remove what killed processes have left of `replacing` these files and directories.

    A directory that was gone from its place, and its successor not yet there, is put back.
    """
    for path, old in leftovers(paths, "old"):
        if not path.exists():
            with contextlib.suppress(OSError):
                old.rename(path)
        _remove(old)
    for _, part in leftovers(paths, "part"):
        _remove(part)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_directory(path: Path) -> Iterator[Path]:
    """A new directory beside `path` that takes its name, and its place, when the block ends without an error.

    Raises:
        ResourceError, UsageError: as `write_atomic`.
    """
    temporary, old = temporary_name(path, "part"), temporary_name(path, "old")
    try:
        temporary.mkdir()
        with _claimed(temporary):
            yield temporary
            sync_all(temporary)
            with _claimed(path) if path.exists() else contextlib.nullcontext():
                if path.exists():
                    path.rename(old)
                temporary.rename(path)
                sync(path.parent)
    except OSError as error:
        raise write_error(error, path) from error
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _is_of_writing(error: OSError, temporary: Path) -> bool:
    """Whether an error is that of a file under its temporary name; a write that fails names no file."""
    if error.filename is not None:
        return Path(os.fsdecode(error.filename)).name.startswith(temporary.name)
    return error.errno in NO_ROOM or error.errno in (errno.EIO, errno.EROFS)


def sync(path: Path) -> None:
    """Force a file, or a directory's list of names, to the disk."""
    if sys.platform == "win32" and path.is_dir():
        return  # which keeps its names by itself, and opens no directory
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        if sys.platform == "darwin":  # whose fsync leaves it to the disk when to write
            import fcntl

            try:
                fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
                return
            except OSError:  # a file system that does not know it
                pass
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(directory: Path) -> None:
    """Force a directory's files, and then the list of them, to the disk."""
    for file in directory.iterdir():
        sync(file)
    sync(directory)


def make_directories(path: Path) -> None:
    """Make a directory and those above it, each of which is on the disk then, with its name.

    Raises:
        OSError: it cannot be made.
    """
    new = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in new:
        sync(folder.parent)


def write_error(error: OSError, path: Path) -> MckennabotError:
    """Return the error that tells the user what a failed write means."""
    if error.errno in NO_ROOM:
        return ResourceError(
            f"no room to write ({error.strerror})",
            path=path,
            hint="Free disk space, or choose another directory.",
        )
    return UsageError(
        f"cannot write ({error.strerror})", path=path, hint="Choose a place that can be written to."
    )


_MAGIC = frozenset("[]*?\\")


@contextlib.contextmanager
def plain_path(path: Path) -> Iterator[Path]:
    """Yield another name for a file or prefix, for libraries that misread brackets or what is not UTF-8.

    Args:
        path: of which the directory exists; the last part may be the beginning of several files' names.

    Yields:
        `path` itself, or the same within a link to its directory, or within copies.
    """
    name = str(path.absolute())
    if not _MAGIC.intersection(name) and name.isprintable():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="mckennabot-") as folder:
        link = Path(folder) / "plain"
        try:
            link.symlink_to(path.parent.resolve(), target_is_directory=True)
        except OSError:  # Windows gives links to few
            link.mkdir()
            for file in path.parent.iterdir():
                if file.name.startswith(path.name):
                    shutil.copyfile(file, link / file.name)
        yield link / path.name
