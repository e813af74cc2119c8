"""Comparison of runs: tables and reports."""
