"""The trade sync: the exchange's history against the ledger, hourly and as far back as asked."""
