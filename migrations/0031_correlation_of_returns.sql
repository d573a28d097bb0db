-- How bots go together, as reports say it: of daily realised returns, days without a close with 0.

-- What each bot began with: its capital in the settings; else the account's wallet when it was first
-- written down, less what the bot had gained by then, with the money that has come or gone until
-- `until`; NULL where neither is known.
CREATE FUNCTION analytics.capital(of_bots text[], until timestamptz)
RETURNS TABLE (bot_id text, capital numeric)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT b.bot_id, coalesce(b.initial_capital, w.wallet - w.gained + coalesce((
               SELECT sum(f.amount) FROM trading.account_balance f
                WHERE f.account = b.account AND f.bot_id = b.bot_id AND f.amount IS NOT NULL
                  AND f.timestamp <= until), 0))
      FROM trading.bots b
      LEFT JOIN LATERAL (
            SELECT x.total_balance AS wallet, x.realized_pnl AS gained
              FROM trading.account_balance x
             WHERE x.account = b.account AND x.bot_id = b.bot_id
             ORDER BY x.timestamp, x.id LIMIT 1) w ON b.initial_capital IS NULL
     WHERE b.bot_id = ANY (of_bots) AND b.bot_id <> 'manual'
$$;

-- Of every two bots that have closed something in the 90 days up to the newest execution, over all
-- of these days; without those whose equity is not known, or was used up. NULL: one of them has the
-- same return on all days.
DROP MATERIALIZED VIEW analytics.bot_correlation;
CREATE MATERIALIZED VIEW analytics.bot_correlation AS
WITH span AS MATERIALIZED (
    SELECT n.newest - interval '2160 h' AS since, n.newest AS until,
           (SELECT array_agg(DISTINCT b.bot_id) FROM trading.bots b
             WHERE b.bot_id <> 'manual') AS crew
      FROM (SELECT max((SELECT max(e.exec_time) FROM trading.executions e
                         WHERE e.account = a.account)) AS newest
              FROM trading.accounts a) n),
net AS MATERIALIZED (
    SELECT c.bot_id, c.day, sum(c.net_pnl) AS net_pnl
      FROM span s
     CROSS JOIN LATERAL analytics.closed(
           s.crew, s.since + interval '1 microsecond', 'infinity') c
     WHERE c.kind = 'day' GROUP BY c.bot_id, c.day),
begun AS (
    SELECT k.bot_id, k.capital + coalesce(g.net_pnl, 0) AS equity
      FROM (SELECT c.bot_id, CASE WHEN count(c.capital) = count(*) THEN sum(c.capital) END
                   AS capital
              FROM span s CROSS JOIN LATERAL analytics.capital(s.crew, s.since) c
             GROUP BY c.bot_id) k
      LEFT JOIN (SELECT c.bot_id, sum(c.net_pnl) AS net_pnl
                   FROM span s
                  CROSS JOIN LATERAL analytics.closed(
                        s.crew, '-infinity', s.since + interval '1 microsecond') c
                  WHERE c.kind = 'day' GROUP BY c.bot_id) g USING (bot_id)
     WHERE k.capital IS NOT NULL AND EXISTS (SELECT FROM net n WHERE n.bot_id = k.bot_id)),
worth AS (
    SELECT b.bot_id, d.day::date AS day, coalesce(n.net_pnl, 0) AS net_pnl,
           b.equity + sum(coalesce(n.net_pnl, 0)) OVER (PARTITION BY b.bot_id ORDER BY d.day)
               - coalesce(n.net_pnl, 0) AS equity
      FROM span s
     CROSS JOIN begun b
     CROSS JOIN LATERAL generate_series((s.since AT TIME ZONE 'UTC')::date::timestamp,
                                        (s.until AT TIME ZONE 'UTC')::date::timestamp,
                                        interval '1 day') d(day)
      LEFT JOIN net n ON n.bot_id = b.bot_id AND n.day = d.day::date),
daily AS MATERIALIZED (
    SELECT w.bot_id, w.day, (w.net_pnl / w.equity)::float8 AS result
      FROM worth w
     WHERE w.bot_id IN (SELECT bot_id FROM worth GROUP BY bot_id HAVING min(equity) > 0))
SELECT a.bot_id AS bot_a, b.bot_id AS bot_b, count(*) AS days,
       corr(a.result, b.result) AS correlation
  FROM daily a
  JOIN daily b ON b.day = a.day AND b.bot_id > a.bot_id
 GROUP BY a.bot_id, b.bot_id;
CREATE UNIQUE INDEX bot_correlation_key ON analytics.bot_correlation (bot_a, bot_b);
