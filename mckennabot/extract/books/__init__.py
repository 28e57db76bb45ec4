"""What is known about books, whatever file they come in: numerals, titles, hyphens, characters."""
