"""A run on disk.

run      the directory: created whole, saved step by step    record       all that training keeps
metrics  metrics.jsonl                                       figure       loss.png
                                                             tensorboard  event files
"""
