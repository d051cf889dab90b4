"""Files as people have them, read to rows and problems: nothing is dropped without a word."""
