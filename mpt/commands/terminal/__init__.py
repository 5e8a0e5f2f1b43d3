"""What commands share: the terminal, options, help pages and completion."""
