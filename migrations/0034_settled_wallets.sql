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

-- A column is taken before a parameter of its name, so this one is asked for by its place: money that
-- came or went before a window is part of what a bot had.
CREATE OR REPLACE FUNCTION analytics.capital(of_bots text[], until timestamptz)
RETURNS TABLE (bot_id text, capital numeric)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT b.bot_id, coalesce(b.initial_capital, w.wallet - w.gained + coalesce((
               SELECT sum(f.amount) FROM trading.account_balance f
                WHERE f.account = b.account AND f.bot_id = b.bot_id AND f.amount IS NOT NULL
                  AND f.timestamp <= $2), 0))
      FROM trading.bots b
      LEFT JOIN LATERAL (
            SELECT x.total_balance AS wallet, x.realized_pnl AS gained
              FROM trading.account_balance x
             WHERE x.account = b.account AND x.bot_id = b.bot_id
             ORDER BY x.timestamp, x.id LIMIT 1) w ON b.initial_capital IS NULL
     WHERE b.bot_id = ANY ($1) AND b.bot_id <> 'manual'
$$;
