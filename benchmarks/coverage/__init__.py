"""How often intervals hold the truth, cell by cell of a grid: ``python -m benchmarks.coverage``."""
