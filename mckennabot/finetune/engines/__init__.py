"""Engines that train: GPT-2 in Keras on TensorFlow or JAX, and gpt-2-simple as the reference.

engine             the interface                       build       the engine for Keras's backend
tensorflow_engine  jax_engine                          reference   gpt-2-simple, behind its own interface
model              GPT-2 as functions in Keras ops     adam        constants of the optimizer step
attention          cross_entropy                       both with their gradients written out
"""
