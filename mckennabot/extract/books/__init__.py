"""Know what holds for books whatever file they come in: numerals, titles, hyphens, characters, languages."""
