"""Tasks as data: sources, splits, tokens, episodes, metrics and settings."""
