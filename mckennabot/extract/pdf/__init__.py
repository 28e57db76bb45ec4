"""Read glyphs, pictures, rules and bookmarks from a PDF.

    file.pdf -> normalise -> normal.pdf -> document, a page at a time -> RawPage

    reader             reads pages in parallel, in worker processes that a bad page may crash
    ocr                finds pages that are pictures of text, and has OCRmyPDF recognise them
    normalise          has qpdf write the file anew: sound, decrypted, without the data of pictures
      repair             patches a file that qpdf cannot open as it is
      page_tree, page_labels, outline   what the catalog says: the pages, their numbers, the bookmarks
    document           reads the pages of a normalised file with pdfminer.six
      content_stream     operators and their operands
      interpreter        runs those that matter for text
      device             collects the glyphs that they show
      fonts              code -> text and width (glyph_names, font_programs, tex_encodings, cmaps)
      streams            decodes data within limits
      text_layers, drawings   what is seen only when the page is whole
    geometry           page boxes and matrices

Everything but `reader` and `ocr` runs in worker processes only; nothing else loads pdfminer.six and qpdf.
"""
