"""The bots of the daemon over recorded candles, in one process and without a server."""
