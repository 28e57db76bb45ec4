"""A run to text.

voice        a loaded model that writes: what `mckennabot.load` returns
source       which weights, at which voice, from which seed
cache        weights converted for sampling, kept next to them     convert   the conversion
sampler      prefixes in, texts out, piece by piece                original  again, if it copies too much
loading      from the name of a run to a sampler in one step       interactive  prefixes from a terminal
text         one text while it is sampled: when it is complete     window    what the model sees of it
destination  a terminal, a pipe or a file that loses nothing       formats   plain text or JSON lines
engine       the interface of ctranslate2_engine (the default) and reference (gpt-2-simple)
"""
