"""The view of scores."""
