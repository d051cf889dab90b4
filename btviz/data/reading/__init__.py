"""Files as people have them, read to rows and problems: nothing is dropped without a word.

`files` gives bytes, `formats` the rows of each form of file (of CSV, `csv_reader`); `layouts` says what a released
row holds, `parse` makes canonical rows and problems of them, `scan` streams these; `flat_tables` reads any columns.
"""
