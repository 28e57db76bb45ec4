"""``mckennabot finetune``."""

from __future__ import annotations

import click

from mckennabot.cli.options import chatter


@click.command()
@chatter
def finetune(verbose: bool, quiet: bool) -> None:
    """To be filled in."""
