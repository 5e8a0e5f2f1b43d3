"""What a scientist asks for: run, sweep, promote, and the records of it."""
