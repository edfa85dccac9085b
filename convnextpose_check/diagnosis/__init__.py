"""Search for the cause of an error that differs from its reference, in a finished run."""
