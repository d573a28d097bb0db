"""Where bars, equity and fills go beside the database, for those who want them elsewhere."""
