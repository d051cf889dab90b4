"""Lists of pairs and comparisons, whose texts are hidden until asked for."""
