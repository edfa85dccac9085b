"""The results of a run, their file, and what is derived from them."""
