"""A run on disk: its weights, state, metrics and samples."""
