"""A page's glyphs as lines, and a book's lines as headings, paragraphs, notes and furniture."""
