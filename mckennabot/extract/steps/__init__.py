"""The steps that decide what each line of a book is; `extract.pipeline` has their order."""
