"""Building blocks of teachers' networks."""
