"""The checks: each returns the obtained value or raises ``CheckFailedError``."""
