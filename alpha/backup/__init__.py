"""Backups of the database: made, kept, verified, restored."""
