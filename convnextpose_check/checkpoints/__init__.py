"""Find, load and identify checkpoints from untrusted files."""
