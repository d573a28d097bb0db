"""Numbered checks of what a plugin promises, made on the host that trades with it."""
