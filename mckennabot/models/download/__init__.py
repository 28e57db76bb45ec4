"""Base models, fetched once, checked, and continued after a break."""

from mckennabot.config import BASE_URL
from mckennabot.models.download.model import KNOWN, fetch

__all__ = ["BASE_URL", "KNOWN", "fetch"]
