"""One subject of a run: its files, networks, evaluation and verdicts."""
