"""Find, open and identify checkpoints, without trusting their content."""
