"""What depends on the language or the script of a text: words, stems, stop words, sentences, detection.

Search by words, Quotes and chunking use the same rules, so that what one of them finds the others find too.
"""
