"""Reading and writing files: whole or not at all, plain files only."""
