"""Work through labels that should be looked at again."""
