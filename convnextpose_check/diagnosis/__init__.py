"""What is wrong when the millimetres are off: ranked causes, each with evidence and remedy."""
