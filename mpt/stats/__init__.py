"""Compute scores, average relative gain, intervals and tests; knows no store and no model."""
