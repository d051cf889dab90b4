"""Comparisons with what a user would write instead; ``make bench`` runs them all."""
