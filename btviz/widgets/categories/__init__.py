"""The view of harm categories."""
