"""From a book in PDF to a language model that talks like its author.

    import mckennabot as mb

    book = mb.read_book("book.pdf")
    run = mb.train([book], model="small", steps=300)
    voice = mb.load(run)
    voice.generate("The New Age is", length=60)

Everything is loaded when it is first used: importing the package takes milliseconds.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself takes longer to import than everything here
if TYPE_CHECKING:
    from typing import Any

    from mckennabot.api import Run, load, read_book, train
    from mckennabot.errors import (
        InputError,
        Interrupted,
        MckennabotError,
        ModelError,
        PasswordNeeded,
        ResourceError,
        UsageError,
    )
    from mckennabot.extract.book import Book
    from mckennabot.generate.voice import Voice

__version__ = "0.1.0"

__all__ = [
    "Book",
    "InputError",
    "Interrupted",
    "MckennabotError",
    "ModelError",
    "PasswordNeeded",
    "ResourceError",
    "Run",
    "UsageError",
    "Voice",
    "__version__",
    "load",
    "read_book",
    "train",
]

_HOMES = {
    **dict.fromkeys(("Run", "load", "read_book", "train"), "api"),
    "Book": "extract.book",
    "Voice": "generate.voice",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module = importlib.import_module(f"{__name__}.{_HOMES.get(name, 'errors')}")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
