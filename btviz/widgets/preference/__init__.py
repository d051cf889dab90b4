"""The view of comparisons, and the simulator."""
