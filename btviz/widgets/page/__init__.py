"""One page on which every view answers one selection."""
