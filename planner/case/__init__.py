"""The case: what the user decided, its file, and what follows from it."""
