"""Models on disk.

checkpoint   a model directory: what is in it, and which weights count
weights      GPT-2's tensors in TensorFlow's format, and their shapes
find         the model that a name means               inventory   all that are there, and what is damaged
dial         base + X (tuned - base)                   small       the base model that comes with the package
bundle       a run in one file, ``NAME.voice``         download/   base models over HTTP
gpt2simple   the only module that imports gpt-2-simple
"""
