"""From a book in PDF to a language model that talks like its author."""

__version__ = "0.1.0"
