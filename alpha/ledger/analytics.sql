-- What reports of trades are made of. $1 are the bots, $2 the moment after which trades were
-- closed.

-- name: slices
-- Results by symbol, by exit reason, by rule (why it was entered), by UTC day: the set columns
-- that are NULL are those that a row is a sum over. Pieces of one entry order are one trade.
SELECT grouping(symbol, exit_reason, entry_reason, day) AS slice,
       coalesce(symbol, exit_reason, entry_reason, to_char(day, 'YYYY-MM-DD')) AS name,
       count(DISTINCT (account, symbol, entry_order)) AS trades,
       sum(gross_pnl) AS gross_pnl, sum(total_commission) AS fees, sum(funding) AS funding,
       sum(net_pnl) AS net_pnl
  FROM (SELECT t.*, entry_order_id AS entry_order,
               (exit_time AT TIME ZONE 'UTC')::date AS day
          FROM trading.completed_trades t
         WHERE bot_id = ANY ($1::text[]) AND exit_time > $2) pieces
 GROUP BY GROUPING SETS ((symbol), (exit_reason), (entry_reason), (day))
 ORDER BY slice, name;

-- name: results
-- Net results of trades, one for each entry order.
SELECT sum(net_pnl) AS net_pnl
  FROM trading.completed_trades
 WHERE bot_id = ANY ($1::text[]) AND exit_time > $2
 GROUP BY bot_id, account, symbol, entry_order_id;

-- name: capital
-- What the bots began with, and what they had gained when $2 was, by the days of closed trades.
SELECT sum(b.initial_capital) AS capital, count(*) - count(b.initial_capital) AS without,
       (SELECT coalesce(sum(d.net_pnl), 0) FROM analytics.daily_performance_summary d
         WHERE d.bot_id = ANY ($1::text[])
           AND d.trade_date < ($2::timestamptz AT TIME ZONE 'UTC')::date) AS gained
  FROM trading.bots b
 WHERE b.bot_id = ANY ($1::text[]);

-- name: open
-- Open results at the newest prices; a position without a price counts in `unpriced`.
SELECT coalesce(sum(unrealized_pnl), 0) AS open_pnl,
       count(*) - count(unrealized_pnl) AS unpriced, count(*) AS positions
  FROM trading.position_summaries
 WHERE bot_id = ANY ($1::text[]);
