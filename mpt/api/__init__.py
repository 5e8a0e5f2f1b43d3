"""What the command line does, for a notebook: one call each; ``import mpt`` offers it all."""
