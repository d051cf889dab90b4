"""Files as people have them, read to rows and problems: nothing is dropped without a word.

`formats` tells the form of a file and gives its rows as batches of columns (`record`): `files` and `archives` give
bytes, `signatures` names what is no data, and `json_lines`, `json_values`, `csv_reader`, `columnar` (Parquet) and
`arrow` read the forms. `layouts` says what a released row holds, `parse` makes canonical rows and problems of them,
`scan` streams these; `flat_tables` reads any columns.
"""
