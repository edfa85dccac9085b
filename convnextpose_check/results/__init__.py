"""What a run found, in one form, and what is derived from it."""
