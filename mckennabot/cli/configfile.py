"""mckennabot.toml: one table for each command, one key for each option.

A file that merely lies in the directory may be someone else's (a clone, an unpacked archive): it may say
how to work, but not what to overwrite, what to start over, and who gets to see the books or the server.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from mckennabot.system.terminal import shown

DEFAULT = Path("mckennabot.toml")
MOST = 1 << 20
"""Bytes of a settings file; all options with their help take ten thousand."""

ONLY_WHEN_NAMED = frozenset(
    {"output", "report", "force", "fresh", "scheduler", "base_url", "host", "origin", "api_key"}
)
"""Options that a file which was found, and not named with ``--config``, may not choose."""


def find_config(path: str | None) -> Path | None:
    """Return the settings file to read: the one named, else mckennabot.toml where it exists."""
    if path is not None:
        return Path(path).expanduser()
    return DEFAULT if DEFAULT.exists() else None


def read_config(source: Path, group: click.Group, named: bool) -> dict[str, Any]:
    """Return the file's tables in the form of click's ``default_map``.

    Args:
        source: the file.
        group: the commands whose options the keys must be.
        named: whether the user named the file with ``--config``.

    Raises:
        click.UsageError: no such file, not TOML, a key that is no option (the nearest one is named), a
            value that the option cannot take, or an option that only a named file may choose.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    where = shown(source)
    try:
        if not named and not source.is_file():  # of a pipe or a device there might be no end
            raise click.UsageError(f"the settings are no regular file: {where}")
        with source.open("rb") as file:
            content = file.read(MOST + 1)
        if len(content) > MOST:
            raise click.UsageError(f"the settings have more than {MOST >> 20} MB: {where}")
        tables = tomllib.loads(content.decode("utf-8-sig"))  # as an editor on Windows may have begun it
    except OSError as error:
        raise click.UsageError(f"cannot read the settings ({error.strerror}): {where}") from error
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{where} is not TOML: {shown(str(error))}") from error
    general = {p.name: p for p in group.params if isinstance(p, click.Option) and p.name != "config"}
    return {
        name: _value(general[name], value, f"{source}: {name!r}")
        if name in general
        else _options(table=value, group=group, name=name, source=source, named=named)
        for name, value in tables.items()
    }


def _options(table: Any, group: click.Group, name: str, source: Path, named: bool) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise click.UsageError(f"{source}: {name!r} stands outside a table such as [finetune]")
    command = group.commands[_known(name, list(group.commands), f"table [{name}]", source)]
    options = {p.name: p for p in command.params if isinstance(p, click.Option) and p.name}
    values = {}
    for key, value in table.items():
        what = f"key {key!r} in [{name}]"
        option = options[_known(key.replace("-", "_"), list(options), what, source)]
        if option.name in ONLY_WHEN_NAMED and not named:
            raise click.UsageError(
                f"{source}: {what} counts only in a file named with --config: it lies in the directory, "
                "and may not be yours"
            )
        values[option.name] = _value(option, value, f"{source}: {what}")
    return values


def _known(name: str, names: list[str], what: str, source: Path) -> str:
    if name in names:
        return name
    import difflib

    near = difflib.get_close_matches(name, names, 1)
    suggestion = f"; did you mean {near[0].replace('_', '-')!r}?" if near else ""
    raise click.UsageError(f"{source}: unknown {what}{suggestion}")


def _value(option: click.Option, value: Any, where: str) -> Any:
    """Return a value as click takes it from the file."""
    if option.is_flag:
        wanted: tuple[type, ...] = (bool,)
        words = "true or false"
    elif isinstance(option.type, click.types.IntParamType):
        wanted, words = (int,), "a whole number"
    elif isinstance(option.type, click.types.FloatParamType):
        wanted, words = (int, float), "a number"
    elif isinstance(value, list) and (option.multiple or option.name == "keep"):
        if all(isinstance(part, str) for part in value):
            return value if option.multiple else ",".join(value)
        wanted, words = (), "texts"
    else:
        wanted, words = (str,), "a text"
        if option.name in ("pages", "inspect", "checkpoint") and type(value) is int:
            value = str(value)
    if isinstance(value, int) and value.bit_length() > 63:  # of which Python may refuse to write the digits
        raise click.UsageError(f"{where} takes no number of more than 63 bits")
    # A truth value is a whole number to Python, but not to people.
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise click.UsageError(f"{where} takes {words}, not {value!r}")
    return [value] if option.multiple else value
