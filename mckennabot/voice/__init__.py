"""Scores how much a text talks like the author, by a run and the base model that it began with.

judge        both models read a text: nats per token
score        nats that the run saves against its base, without words copied from the book
calibration  turns nats into a score: the base's own samples are 0, the author's held-out pages 100
delta        Cosine Delta on function words, for texts long enough
best         the drafts that score highest
scoring      everything that can be said about a text
writing      samples, compares, ranks and writes texts: what `mckennabot generate` does
"""
