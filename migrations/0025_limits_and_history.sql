-- Portfolio limits follow the ledger: what of it was from before they began to count when their
-- anchors were written. What is there beyond that has come since and shifts them.
ALTER TABLE trading.risk_anchors
    ADD COLUMN began_at  timestamptz, -- 00:00 UTC of the day; NULL: that of seen_at
    ADD COLUMN earlier_cash numeric,     -- of trades at their prices, fees and funding; NULL: not read
    ADD COLUMN earlier_held jsonb NOT NULL DEFAULT '{}'; -- signed quantity by symbol, without zeros
