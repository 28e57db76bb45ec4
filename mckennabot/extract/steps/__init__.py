"""The steps that decide what each line of a book is; `extract.book` has their order."""
