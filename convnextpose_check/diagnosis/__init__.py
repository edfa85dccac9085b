"""Search a finished run for the cause of a wrong error."""
