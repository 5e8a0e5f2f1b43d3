"""Tables as rows of text for people, and as unrounded files for programs."""
