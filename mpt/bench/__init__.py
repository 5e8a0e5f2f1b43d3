"""Benchmarks of speed and memory against what a user would otherwise write, in one process."""
