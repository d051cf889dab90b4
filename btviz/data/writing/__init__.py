"""Data sets written down again: the tables turned back into rows that others read, and these into files.

`released` gives rows in the shape of a release, `training` those that trainers take, `encoding` the bytes of files.
"""
