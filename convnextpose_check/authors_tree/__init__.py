"""Human3.6M laid out for the authors' own code."""
