"""Does a text talk like the author? Scores that stand on a run and on the base model that it began with.

judge        both models read a text, and say how likely each token is to them
score        what the run saves against its base, without words copied from the book
calibration  what that means: the base's own samples are 0, the author's held-out pages 100
delta        Cosine Delta on function words, for texts long enough
best         the drafts that score highest
writing      texts sampled, compared, ranked and written: what `mckennabot generate` does
"""
