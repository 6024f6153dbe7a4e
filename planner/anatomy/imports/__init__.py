"""Label maps of other programs, taken in."""
