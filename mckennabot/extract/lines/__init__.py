"""Leads from a page's glyphs to its lines of text; `columns` alone needs the whole book."""
