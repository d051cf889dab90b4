"""Pictures of categories, label sets, votes and agreement."""
