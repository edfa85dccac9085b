"""The folder layout of Human3.6M that the authors' code expects."""
