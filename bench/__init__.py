"""Measurements and the harness of faults. Run from the root of the repository."""
