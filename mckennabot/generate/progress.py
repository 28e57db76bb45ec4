"""How this stage talks to its caller while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _nothing(message: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Tell:
    """Where messages go.

    Attributes:
        progress: what takes long, and what was chosen.
        warning: what is not as asked for.
    """

    progress: Callable[[str], None] = _nothing
    warning: Callable[[str], None] = _nothing
