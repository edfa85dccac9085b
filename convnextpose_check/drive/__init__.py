"""Download checkpoints from Google Drive."""
