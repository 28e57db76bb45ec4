"""What is said while working: to nobody, to a console, or into a notebook.

The library never prints. It takes a `Reporter`, and whoever calls it decides where the words go:

    >>> reporter = Console(stream=sys.stdout)
    >>> reporter.say("Starting TensorFlow …")
    Starting TensorFlow …
    >>> with reporter.bar(2, "page", name="book.pdf") as bar:
    ...     bar.at(1)
    ...     bar.at(2)
    book.pdf: page 2/2
"""

from __future__ import annotations

import sys

from mckennabot.reporter.base import Bar, Counted, Reporter, Silent
from mckennabot.reporter.console import Console
from mckennabot.reporter.notebook import Notebook
from mckennabot.system.terminal import is_terminal

__all__ = ["Bar", "Console", "Counted", "Notebook", "Reporter", "Silent", "automatic"]


def automatic() -> Reporter:
    """What fits the place that the library is used in: a notebook, a terminal, or a program."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if type(shell).__name__ == "ZMQInteractiveShell" or "google.colab" in sys.modules:
        return Notebook()
    return Console() if is_terminal(sys.stderr) else Silent()
