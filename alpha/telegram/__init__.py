"""C2 over Telegram. The client is loaded only with a token."""
