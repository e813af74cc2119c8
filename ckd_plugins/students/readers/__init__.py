"""Readers of candidate scores, a file a way of reading."""
