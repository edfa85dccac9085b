"""The synthetic data set: generated images, annotations and checkpoints."""
