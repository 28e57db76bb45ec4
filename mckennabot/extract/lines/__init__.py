"""From a page's glyphs to its lines of text."""
