"""Fetching checkpoints from Google Drive."""
