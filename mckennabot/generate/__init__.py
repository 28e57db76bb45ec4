"""A run to text."""
