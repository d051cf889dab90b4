"""What all pictures share: theme, captions, intervals, and how they become files."""
