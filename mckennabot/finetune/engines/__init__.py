"""What trains: GPT-2 in Keras on TensorFlow or JAX, and gpt-2-simple as the reference."""
