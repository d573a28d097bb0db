-- What is refreshed of the materialized views. CONCURRENTLY: whoever reads goes on reading.

-- name: limits
-- Two daemons on one database must not wait for each other.
SET LOCAL lock_timeout = '2s';
SET LOCAL synchronous_commit = off;

-- name: refresh_positions
REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.active_positions_summary;

-- name: refresh_days
REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.daily_performance_summary;

-- name: refresh_correlation
REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.bot_correlation;

-- name: refresh_symbols
REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.symbol_performance;

-- name: refresh_exit_reasons
REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.exit_reason_summary;

-- name: lock_closed_days
-- Before anything is read: the transaction sees what the one before it has left.
LOCK TABLE analytics.closed_days IN SHARE ROW EXCLUSIVE MODE;

-- name: days_to_close
-- Those that were written again, and the next $1 with trades that have been over for 25 hours.
WITH RECURSIVE over AS (
    SELECT ((clock_timestamp() - interval '25 h') AT TIME ZONE 'UTC')::date AS until),
young(day, number) AS (
    SELECT coalesce((SELECT max(day) FROM analytics.closed_days WHERE kind = 'day'),
                    '-infinity'::date), 0
    UNION ALL
    SELECT (SELECT (min(n.exit_time) AT TIME ZONE 'UTC')::date
              FROM trading.bots b
             CROSS JOIN LATERAL (
                   SELECT t.exit_time FROM trading.completed_trades t
                    WHERE t.bot_id = b.bot_id AND t.exit_time >= (y.day + 1)::timestamp AT TIME ZONE 'UTC'
                    ORDER BY t.exit_time LIMIT 1) n), y.number + 1
      FROM young y, over o WHERE y.day < o.until AND y.number < $1)
SELECT y.day FROM young y, over o WHERE y.number > 0 AND y.day < o.until
UNION
SELECT r.day FROM analytics.rewritten_days r WHERE r.day <= (SELECT min(day) FROM young)
ORDER BY day;

-- name: forget_days
DELETE FROM analytics.closed_days
 WHERE kind IN ('day', 'symbol', 'reason', 'rule') AND day = ANY ($1::date[]);

-- name: close_days
INSERT INTO analytics.closed_days
SELECT c.*
  FROM unnest($1::date[]) AS d(day)
 CROSS JOIN LATERAL analytics.closed_between(
       (SELECT array_agg(DISTINCT bot_id) FROM trading.bots),
       d.day::timestamp AT TIME ZONE 'UTC', (d.day + 1)::timestamp AT TIME ZONE 'UTC') c;

-- name: close_days_of_all
INSERT INTO analytics.closed_days
SELECT '*', day, kind, name, sum(trades), sum(wins), sum(losses), sum(gross_profit),
       sum(gross_loss), max(best), min(worst), sum(gross_pnl), sum(fees), sum(funding),
       sum(net_pnl), range_agg(held)
  FROM analytics.closed_days
 WHERE kind IN ('day', 'symbol', 'reason', 'rule') AND day = ANY ($1::date[])
   AND bot_id NOT IN ('*', 'manual')
 GROUP BY day, kind, name;

-- name: forget_marks
-- Those that this transaction sees: the days are summed up as they are now.
DELETE FROM analytics.rewritten_days;
