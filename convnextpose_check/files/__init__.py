"""Safe reading and writing of files, and the search through folders."""
