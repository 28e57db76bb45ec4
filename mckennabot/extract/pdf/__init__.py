"""Glyphs, pictures and bookmarks out of a PDF: qpdf puts the file in order, pdfminer.six reads it.

    reader      pages read side by side by processes that may die of them
    scan        pages that are pictures of text, and having them recognised
    normalise   the file as qpdf writes it anew: sound, decrypted, without pictures' data
    document    the pages of such a file
    interpreter, device, fonts, streams   pdfminer.six with limits, and with what it lacks

All but the first two run in `reader`'s processes only, which alone load pdfminer.six and qpdf.
"""
