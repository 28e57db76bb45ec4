"""PDF and other sources to a clean corpus."""
