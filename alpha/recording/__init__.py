"""What a running daemon writes down beside the ledger."""
