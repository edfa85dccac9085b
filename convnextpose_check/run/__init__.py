"""A run: the files, models, evaluations and results of one target."""
