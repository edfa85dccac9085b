"""Evaluate models: from crops to joint errors in mm and a verdict."""
