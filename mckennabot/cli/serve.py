"""``mckennabot serve``."""

from __future__ import annotations

from typing import Any

import click

from mckennabot.cli.options import from_settings, reporting
from mckennabot.config import ServeSettings
from mckennabot.errors import UsageError
from mckennabot.reporter import Reporter

EPILOG = """
\b
  mckennabot serve
  mckennabot serve --host 0.0.0.0 --api-key "$KEY"
"""


@click.command(epilog=EPILOG)
@from_settings(ServeSettings)
@reporting
def serve(reporter: Reporter, **options: Any) -> None:
    """Serve all runs and base models to OpenAI's clients, with a page to write in."""
    settings = ServeSettings(**options)
    try:
        from mckennabot.serve.server import serve as run
    except ModuleNotFoundError as error:
        if error.name not in ("uvicorn", "starlette"):
            raise
        raise UsageError(
            f"the server needs {error.name}", hint="Install it with: pip install 'mckennabot[serve]'"
        ) from error
    run(settings, reporter)
