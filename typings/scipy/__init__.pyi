"""The part of SciPy that mpt calls; SciPy itself has no types."""
