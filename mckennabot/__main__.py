"""``python -m mckennabot``, and the console script."""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # while modules load there is nothing to tidy up, or to tell

from mckennabot.cli import main  # noqa: E402

__all__ = ["main"]

if __name__ == "__main__":
    main()
