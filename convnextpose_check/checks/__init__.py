"""Everything that is asserted: each check returns what it obtained or raises."""
