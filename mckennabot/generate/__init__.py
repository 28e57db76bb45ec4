"""A run to text.

voice        a loaded model that writes: what `mckennabot.load` gives
source       which weights, at which place on the dial, from which seed
cache        weights converted for sampling, kept beside them      convert   the conversion
sampler      prefixes in, texts out, piece by piece                original  again, where too much is copied
loading      from the name of a run to a sampler in one step       interactive  prefixes from a terminal
text         one text while it is sampled: when it is complete     window    what the model sees of it
destination  a terminal, a pipe or a file that loses nothing       formats   plain text or JSON lines
ctranslate2_engine, reference  the engines: CTranslate2, gpt-2-simple
"""
