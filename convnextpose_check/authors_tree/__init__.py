"""Human3.6M as the authors' own code reads it."""
