"""The results of a run: their file, the verdict, and the texts computed from them."""
