"""Models on disk: the checkpoint directory, its tensors, and base models to fetch."""
