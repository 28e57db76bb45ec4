"""``mckennabot extract``."""

from __future__ import annotations

import click

from mckennabot.cli.options import chatter


@click.command()
@chatter
def extract(verbose: bool, quiet: bool) -> None:
    """To be filled in."""
