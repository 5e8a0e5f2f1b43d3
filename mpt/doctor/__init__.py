"""Checks of everything that a sweep needs, with advice on what to do."""
