"""Recordings of what the daemon saw and decided, and their replay through the backtester."""
