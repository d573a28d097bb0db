-- The newest wallet of each account that executions and known transfers explain: where the search for
-- the next deposit begins, also after a restart. `stood_still`: for half a minute then, so that a time
-- in the transaction log lies before or after it, whichever clock is a little ahead.
CREATE TABLE trading.settled_wallets (
    account     text PRIMARY KEY REFERENCES trading.accounts,
    wallet      numeric(28, 12) NOT NULL, -- USDT, as the exchange has told it
    told_at     timestamptz NOT NULL,     -- the exchange's clock
    stood_still boolean NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TRIGGER touch BEFORE UPDATE ON trading.settled_wallets
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();

-- Of a deposit or withdrawal that was deduced: `timestamp` is when the wallet first showed it, this is
-- until when the transaction log is asked for it.
ALTER TABLE trading.account_balance ADD COLUMN until timestamptz CHECK (until >= timestamp);

-- Until now it was the newest word that was written down.
INSERT INTO trading.settled_wallets (account, wallet, told_at, stood_still)
SELECT DISTINCT ON (account) account, total_balance, timestamp, false
  FROM trading.account_balance
 WHERE bot_id IS NULL AND source IN ('stream', 'rest')
 ORDER BY account, timestamp DESC, id DESC;
