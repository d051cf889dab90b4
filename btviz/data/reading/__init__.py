"""Files as people have them, read to rows and problems: nothing is dropped without a word.

`files` gives bytes, `formats` the rows of JSON lines, JSON arrays, CSV and Parquet; `layouts` says what a released row
holds, `parse` makes canonical rows and problems of them, `scan` streams these; `flat_tables` reads any columns.
"""
