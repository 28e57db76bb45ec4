"""mckennabot.toml: one table for each command, one key for each option."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Any

import click

DEFAULT = Path("mckennabot.toml")


def read_config(path: str | None, group: click.Group) -> dict[str, dict[str, Any]]:
    """The file's tables in the form of click's ``default_map``; empty where there is no file.

    Args:
        path: the file named with ``--config``; None looks for mckennabot.toml here.
        group: the commands whose options the keys must be.

    Raises:
        click.UsageError: no such file, not TOML, or a key that is no option (the nearest one is named).
    """
    source = Path(path) if path else DEFAULT
    if path is None and not source.exists():
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        tables = tomllib.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise click.UsageError(f"cannot read the settings ({error.strerror}): {source}") from error
    except ValueError as error:
        raise click.UsageError(f"{source} is not TOML: {error}") from error
    return {
        _known(name, list(group.commands), f"table [{name}]", source): _options(table, group, name, source)
        for name, table in tables.items()
    }


def _options(table: Any, group: click.Group, name: str, source: Path) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise click.UsageError(f"{source}: {name!r} stands outside a table such as [finetune]")
    command = group.commands.get(name)
    if command is None:
        return {}
    options = [p.name for p in command.params if isinstance(p, click.Option) and p.name]
    return {
        _known(key.replace("-", "_"), options, f"key {key!r} in [{name}]", source): value
        for key, value in table.items()
    }


def _known(name: str, names: list[str], what: str, source: Path) -> str:
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, 1)
    suggestion = f"; did you mean {near[0].replace('_', '-')!r}?" if near else ""
    raise click.UsageError(f"{source}: unknown {what}{suggestion}")
