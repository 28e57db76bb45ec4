"""A corpus to a run."""
