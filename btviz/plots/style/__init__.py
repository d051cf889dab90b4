"""What all pictures share: theme, intervals, and how they become files."""
