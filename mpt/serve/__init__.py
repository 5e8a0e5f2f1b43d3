"""Use a learned prompt: predict, export, serve."""
