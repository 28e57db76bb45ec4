"""``python -m mckennabot``, and the console script."""

from mckennabot.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
