"""Pictures of comparisons, and of what they say of helpful and harmless."""
