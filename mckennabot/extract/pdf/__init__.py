"""Glyphs, pictures and bookmarks out of a PDF: qpdf puts the file in order, pdfminer.six reads it.

    normalise   the file as qpdf writes it anew: sound, decrypted, without pictures' data
    document    the pages of such a file
    interpreter, device, fonts, streams   pdfminer.six with limits, and with what it lacks

Everything here runs in worker processes only: see `mckennabot.extract.pool`.
"""
