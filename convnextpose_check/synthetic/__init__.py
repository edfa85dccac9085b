"""The generated stand-in for Human3.6M: a small data set in its on-disk layout."""
