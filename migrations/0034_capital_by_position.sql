-- `trading.account_balance` has got a column `until`, which the parameter of that name was taken for:
-- money that came or went before a window was no part of what a bot had.
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
