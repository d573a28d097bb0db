-- A deposit or withdrawal that was deduced from a wallet: what the transaction log says of its time
-- replaces it. `since`: after when it happened, until the log has covered that; NULL: it has, or
-- never will. `confirmed_at`: when the log said something else than the wallet.
ALTER TABLE trading.account_balance
    ADD COLUMN since        timestamptz CHECK (since < timestamp),
    ADD COLUMN confirmed_at timestamptz;
CREATE INDEX account_balance_confirmed ON trading.account_balance (account, bot_id, confirmed_at)
    WHERE confirmed_at IS NOT NULL;
