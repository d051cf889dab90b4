"""Data sets written down again: the tables turned back into rows that others read, and these into files.

`shapes` says what a data set becomes in each form: `released` gives rows in the shape of a release, `training` those
that trainers take, `turns` what was said before. `encoding` gives the bytes of files, `files` their names and splits.
"""
