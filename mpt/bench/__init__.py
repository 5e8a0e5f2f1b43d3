"""Speed and memory, measured beside what a user would otherwise write, in one process."""
