"""Look whether everything is there that a sweep needs, and say what to do where it is not."""
