"""Exports a model to a file or directory that other programs read, or that moves to another machine.

snapshot      a model at one step, and what is known of it
huggingface   a directory for transformers              card    its README
gguf          a file for llama.cpp, LM Studio, …        ollama  that file and a Modelfile
bundle        everything in one file; `mckennabot.models.bundle` opens it
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mckennabot.config import ExportSettings
from mckennabot.errors import UsageError
from mckennabot.reporter import Reporter, Silent
from mckennabot.system.files import (
    clear_leftovers,
    make_directories,
    refuse_over,
    replacing,
    replacing_directory,
    write_error,
)

if TYPE_CHECKING:
    from mckennabot.export.snapshot import Snapshot


@dataclass(frozen=True)
class Format:
    """One way of writing a model.

    Attributes:
        write: writes a snapshot to a path, in a precision.
        ending: what the default output adds to the model's name.
        precisions: those it knows; the first is for ``auto``.
        files: the names it writes into its directory; None where it is a single file.
    """

    write: Callable[[Snapshot, Path, str], None]
    ending: str
    precisions: tuple[str, ...]
    files: frozenset[str] | None = None


@dataclass(frozen=True)
class Exported:
    """An export that was written.

    Attributes:
        name: the model's name.
        step: the step of its weights; None for a base model.
        voice: their place on the dial.
        path: the file or directory.
    """

    name: str
    step: int | None
    voice: float
    path: Path


def export(
    settings: ExportSettings,
    output: str | Path | None = None,
    *,
    force: bool = False,
    reporter: Reporter | None = None,
) -> Exported:
    """Write a model in another form; it appears whole or not at all.

    Args:
        settings: which model, and which format.
        output: a file or directory; what ends in / gets a file in it; None is one of the model's name, here.
        force: overwrite an export that is there.
        reporter: warned if the run's best voice is not available.

    Raises:
        ModelError: the model is missing or damaged.
        ResourceError: the disk is full.
        UsageError: the output exists, the format lacks the precision, or the package that writes it is not
            installed.
    """
    form = _format(settings)
    precision = form.precisions[0] if settings.precision == "auto" else settings.precision
    if precision not in form.precisions:
        known = ", ".join(form.precisions)
        raise UsageError(f"--format {settings.format} has no {precision}", hint=f"It has: {known}.")
    from mckennabot.generate.source import while_it_trains

    return while_it_trains(lambda: _export(settings, form, precision, output, force, reporter or Silent()))


def _export(
    settings: ExportSettings,
    form: Format,
    precision: str,
    output: str | Path | None,
    force: bool,
    reporter: Reporter,
) -> Exported:
    from mckennabot.export.snapshot import take

    snapshot = take(settings, reporter)
    target = _target(output, snapshot.name, form, force)
    if form.files is None:
        refuse_over(target, [Path(settings.run or ""), *snapshot.source.files()])
    try:
        make_directories(target.parent)
    except OSError as error:
        raise write_error(error, target.parent) from error
    clear_leftovers(target)
    with (replacing if form.files is None else replacing_directory)(target) as temporary:
        form.write(snapshot, temporary, precision)
    return Exported(snapshot.name, snapshot.source.step, snapshot.source.voice, target)


def _format(settings: ExportSettings) -> Format:
    from mckennabot.export import bundle, gguf, huggingface, ollama

    if settings.format == "hf":
        return Format(huggingface.write, "-hf", ("float32", "float16"), huggingface.FILES)
    if settings.format == "gguf":
        return Format(gguf.write, ".gguf", gguf.PRECISIONS)
    if settings.format == "ollama":
        return Format(ollama.write, "-ollama", gguf.PRECISIONS, ollama.FILES)
    return Format(
        lambda snapshot, path, precision: bundle.write(snapshot, path, precision, not settings.no_index),
        bundle.SUFFIX,
        ("float16", "float32"),
    )


def _target(given: str | Path | None, name: str, form: Format, force: bool) -> Path:
    """Return where the export goes.

    Raises:
        UsageError: what is there must not be overwritten.
    """
    own = f"{name}{form.ending}"
    if str(given) == "-":
        raise UsageError("an export is a file or a directory, and goes to no pipe", hint="Choose another -o.")
    output = Path(own if given is None else given).expanduser()
    if form.files is None and (str(given).endswith(os.sep) or output.is_dir()):
        output /= own
    if not output.exists() and not output.is_symlink():
        return output
    if not force:
        raise UsageError("the output exists", path=output, hint="Overwrite it with --force.")
    if form.files is None:
        if not output.is_file():
            raise UsageError("not a file that could be overwritten", path=output)
        return output
    # --force replaces an export, never somebody's directory.
    if not output.is_dir() or output.is_symlink() or {p.name for p in output.iterdir()} - form.files:
        raise UsageError(
            "something that is no export is there", path=output, hint="Choose another -o, or move it away."
        )
    return output
