"""Make what the package embeds."""
