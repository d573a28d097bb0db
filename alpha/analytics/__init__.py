"""What the ledger's trades were worth: figures for people, by bot, symbol, reason, rule and day."""
