"""Checkpoints: found, opened without trust, read, and told apart."""
