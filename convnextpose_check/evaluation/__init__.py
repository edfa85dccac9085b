"""Evaluation of models: from crops to errors in millimetres and verdicts."""
