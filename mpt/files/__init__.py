"""Read and write files: atomically, strictly, and with foreign text escaped."""
