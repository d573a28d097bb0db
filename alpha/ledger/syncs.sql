-- What the trade sync keeps: its runs, how far it has come, what the exchange says about closed
-- positions and cash.

-- name: begin_run
INSERT INTO trading.sync_status (account, kind, window_start, window_end, windows)
VALUES ($1, $2, $3, $4, $5) RETURNING id;

-- name: update_run
UPDATE trading.sync_status
   SET status = $2, windows_done = $3, executions_seen = $4, executions_new = $5,
       executions_left = $6, closings_seen = $7, cash_rows_seen = $8, error = $9,
       notes = $10::text::jsonb,
       finished_at = CASE WHEN $2 = 'running' THEN NULL ELSE clock_timestamp() END
 WHERE id = $1;

-- name: end_interrupted
-- Runs of a process that has ended without a word.
UPDATE trading.sync_status
   SET status = CASE WHEN windows_done > 0 THEN 'partial' ELSE 'failed' END,
       error = 'the process ended before the run did', finished_at = clock_timestamp()
 WHERE account = $1 AND status = 'running';

-- name: last_success
SELECT max(finished_at) FROM trading.sync_status WHERE account = $1 AND status = 'completed';

-- name: watermark
SELECT high_water, cursor FROM trading.sync_watermarks WHERE account = $1 AND endpoint = $2;

-- name: advance
-- A mark never falls; the cursor is the newest.
INSERT INTO trading.sync_watermarks AS w (account, endpoint, high_water, cursor)
VALUES ($1, $2, $3, $4)
ON CONFLICT (account, endpoint) DO UPDATE
   SET high_water = greatest(w.high_water, excluded.high_water), cursor = excluded.cursor;

-- name: forget_watermark
DELETE FROM trading.sync_watermarks WHERE account = $1 AND endpoint = $2;

-- name: put_aside
INSERT INTO trading.sync_backlog (
    account, symbol, exec_id, order_id, order_link_id, side, exec_type, price, qty, value, fee,
    fee_currency, fee_rate, leaves_qty, closed_size, is_maker, create_type, order_type,
    stop_order_type, exec_time, seq, exec_pnl, mark_price, source, received_at)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::numeric[], $9::numeric[], $10::numeric[], $11::numeric[], $12::text[], $13::numeric[],
    $14::numeric[], $15::numeric[], $16::boolean[], $17::text[], $18::text[], $19::text[],
    $20::timestamptz[], $21::bigint[], $22::numeric[], $23::numeric[], $24::text[],
    $25::timestamptz[])
ON CONFLICT (account, symbol, exec_id) DO NOTHING;

-- name: aside_symbols
SELECT symbol, count(*) AS rows FROM trading.sync_backlog
 WHERE account = $1 GROUP BY symbol ORDER BY symbol;

-- name: aside
-- What the ledger lacks of what was put aside, in ledger order.
SELECT b.* FROM trading.sync_backlog b
 WHERE b.account = $1 AND b.symbol = $2
   AND NOT EXISTS (SELECT FROM trading.executions e
                    WHERE e.account = b.account AND e.symbol = b.symbol AND e.exec_id = b.exec_id)
 ORDER BY exec_time, seq, order_id COLLATE "C", leaves_qty DESC, exec_id COLLATE "C";

-- name: clear_aside
DELETE FROM trading.sync_backlog WHERE account = $1 AND ($2::text IS NULL OR symbol = $2);

-- name: symbol_sums
-- The ledger's net size of a symbol by executions of known types, the adjustments beside them,
-- and the time of the first.
SELECT coalesce((SELECT sum(CASE side WHEN 'Buy' THEN qty ELSE -qty END)
                   FROM trading.executions
                  WHERE account = $1 AND symbol = $2 AND exec_type = ANY($3::text[])), 0) AS net,
       coalesce((SELECT sum(qty) FROM trading.adjustments
                  WHERE account = $1 AND symbol = $2), 0) AS adjusted,
       (SELECT min(exec_time) FROM trading.ledger_rows
         WHERE account = $1 AND symbol = $2) AS first;

-- name: put_closings
INSERT INTO trading.closed_pnl AS c (
    account, symbol, order_id, side, closed_size, avg_entry_price, avg_exit_price, closed_pnl,
    open_fee, close_fee, created_time, updated_time)
SELECT $1, * FROM unnest(
    $2::text[], $3::text[], $4::text[], $5::numeric[], $6::numeric[], $7::numeric[], $8::numeric[],
    $9::numeric[], $10::numeric[], $11::timestamptz[], $12::timestamptz[])
ON CONFLICT (account, symbol, order_id) DO UPDATE
   SET closed_size = excluded.closed_size, avg_entry_price = excluded.avg_entry_price,
       avg_exit_price = excluded.avg_exit_price, closed_pnl = excluded.closed_pnl,
       open_fee = excluded.open_fee, close_fee = excluded.close_fee,
       updated_time = excluded.updated_time
 WHERE c.updated_time <= excluded.updated_time
   AND (c.closed_size, c.closed_pnl) IS DISTINCT FROM (excluded.closed_size, excluded.closed_pnl);

-- name: closed_symbols
-- Where something was closed since then.
SELECT DISTINCT symbol FROM trading.closed_pnl WHERE account = $1 AND updated_time >= $2
UNION
SELECT DISTINCT symbol FROM trading.completed_trades WHERE account = $1 AND exit_time >= $2;

-- name: flat_cycles
-- Times in which somebody held something of a symbol, from flat to flat, that have ended by $4 and
-- begun after $3: bots' positions that overlap, or meet in a millisecond, are one time.
WITH held AS (
    SELECT opened_at, coalesce(closed_at, 'infinity') AS closed_at
      FROM trading.positions
     WHERE account = $1 AND symbol = $2 AND ($3::timestamptz IS NULL OR opened_at > $3)
), marked AS (
    SELECT opened_at, closed_at,
           coalesce(opened_at > max(closed_at) OVER (
               ORDER BY opened_at, closed_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
               true) AS begins
      FROM held
), numbered AS (
    SELECT opened_at, closed_at,
           count(*) FILTER (WHERE begins) OVER (ORDER BY opened_at, closed_at
               ROWS UNBOUNDED PRECEDING) AS number
      FROM marked
)
SELECT min(opened_at) AS opened_at, max(closed_at) AS closed_at
  FROM numbered GROUP BY number HAVING max(closed_at) <= $4::timestamptz ORDER BY 1;

-- name: trip_sums
-- Round trips of a symbol that ended in a time, as the exchange counts them: without funding.
SELECT count(*) AS trips, coalesce(sum(gross_pnl - total_commission), 0) AS pnl,
       coalesce(sum(total_commission), 0) AS fees,
       coalesce(sum(quantity * exit_price), 0) AS turnover
  FROM trading.completed_trades
 WHERE account = $1 AND symbol = $2 AND exit_time > $3 AND exit_time <= $4;

-- name: closing_sums
-- The exchange's results of the orders that have closed something in a time.
SELECT count(*) AS orders, coalesce(sum(closed_pnl), 0) AS pnl,
       coalesce(sum(open_fee + close_fee), 0) AS fees
  FROM trading.closed_pnl c
 WHERE c.account = $1 AND c.symbol = $2
   AND c.order_id IN (SELECT order_id FROM trading.fills
                       WHERE account = $1 AND symbol = $2 AND exec_time > $3 AND exec_time <= $4
                         AND effect = 'exit');

-- name: put_total
INSERT INTO trading.control_totals AS t (
    account, symbol, opened_at, closed_at, orders, round_trips, exchange_pnl, ledger_pnl,
    exchange_fees, ledger_fees, tolerance)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (account, symbol, closed_at) DO UPDATE
   SET opened_at = excluded.opened_at, orders = excluded.orders,
       round_trips = excluded.round_trips, exchange_pnl = excluded.exchange_pnl,
       ledger_pnl = excluded.ledger_pnl, exchange_fees = excluded.exchange_fees,
       ledger_fees = excluded.ledger_fees, tolerance = excluded.tolerance
 WHERE (t.opened_at, t.orders, t.round_trips, t.exchange_pnl, t.ledger_pnl, t.exchange_fees,
        t.ledger_fees) IS DISTINCT FROM
       (excluded.opened_at, excluded.orders, excluded.round_trips, excluded.exchange_pnl,
        excluded.ledger_pnl, excluded.exchange_fees, excluded.ledger_fees);

-- name: drop_totals
-- A cycle that is none any more, since older executions have come.
DELETE FROM trading.control_totals
 WHERE account = $1 AND symbol = $2 AND closed_at > $3 AND closed_at <> ALL($4::timestamptz[]);

-- name: last_total
-- The newest cycle that is compared and was closed at or before then.
SELECT max(closed_at) FROM trading.control_totals
 WHERE account = $1 AND symbol = $2 AND closed_at <= $3;

-- name: unknown_closings
-- Orders that the exchange has closed something with, and of which the ledger has no execution.
SELECT c.symbol, c.order_id FROM trading.closed_pnl c
 WHERE c.account = $1 AND c.updated_time >= $2
   AND c.updated_time >= (SELECT min(exec_time) FROM trading.executions WHERE account = $1)
   AND NOT EXISTS (SELECT FROM trading.executions e
                    WHERE e.account = c.account AND e.order_id = c.order_id)
 ORDER BY c.updated_time LIMIT 20;

-- name: runs
-- The newest runs, of each account the one that goes on first.
SELECT DISTINCT ON (account, kind) id, account, kind, status, window_start, window_end, windows,
       windows_done, executions_seen, executions_new, executions_left, closings_seen,
       cash_rows_seen, error, notes::text AS notes, started_at, finished_at
  FROM trading.sync_status
 WHERE $1::text IS NULL OR account = $1
 ORDER BY account, kind, id DESC;

-- name: watermarks
SELECT account, endpoint, high_water FROM trading.sync_watermarks
 WHERE endpoint <> 'backfill' AND ($1::text IS NULL OR account = $1)
 ORDER BY account, endpoint;

-- name: total_sums
SELECT account, count(*) AS cycles, count(*) FILTER (WHERE NOT agrees) AS differing,
       coalesce(sum(ledger_pnl), 0) AS ledger_pnl, coalesce(sum(exchange_pnl), 0) AS exchange_pnl,
       coalesce(sum(ledger_fees), 0) AS ledger_fees,
       coalesce(sum(exchange_fees), 0) AS exchange_fees
  FROM trading.control_totals
 WHERE $1::text IS NULL OR account = $1
 GROUP BY account;

-- name: differing_totals
SELECT account, symbol, opened_at, closed_at, ledger_pnl, exchange_pnl, pnl_difference,
       ledger_fees, exchange_fees, fee_difference, tolerance
  FROM trading.control_totals
 WHERE NOT agrees AND ($1::text IS NULL OR account = $1)
 ORDER BY closed_at DESC LIMIT 20;

-- name: last_successes
SELECT account, max(finished_at) AS at FROM trading.sync_status
 WHERE status = 'completed' AND ($1::text IS NULL OR account = $1) GROUP BY account;

-- name: put_movements
INSERT INTO trading.cash_movements (
    account, id, kind, trade_id, category, symbol, change, balance, moved_at)
SELECT $1, * FROM unnest(
    $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::numeric[], $8::numeric[],
    $9::timestamptz[])
ON CONFLICT (account, id, kind, trade_id) DO NOTHING;

-- name: put_audit
INSERT INTO trading.wallet_audits (
    account, since, until, opening_balance, realised, fees, funding, moved, rounding, log_balance,
    wallet_balance, rows_compared, rows_differing, first_difference, executions, open_costs)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16::text::jsonb);

-- name: audits
-- The newest first.
SELECT id, until, wallet_balance, executions, open_costs::text AS open_costs
  FROM trading.wallet_audits WHERE account = $1 ORDER BY id DESC LIMIT $2;

-- name: newest_audits
SELECT DISTINCT ON (account) account, since, until, opening_balance, realised, fees, funding, moved,
       rounding, ledger_balance, log_balance, wallet_balance, difference, rows_compared,
       rows_differing, first_difference, created_at
  FROM trading.wallet_audits
 WHERE $1::text IS NULL OR account = $1
 ORDER BY account, id DESC;

-- name: count_until
SELECT count(*) FROM trading.executions WHERE account = $1 AND exec_time <= $2;

-- name: first_execution
SELECT min(exec_time) FROM trading.executions WHERE account = $1;

-- name: ledger_window
-- Everything of an account in a time, adjustments too, in ledger order within each symbol.
SELECT account, symbol, exec_id, order_id, order_link_id, side, exec_type, price, qty, value,
       fee, fee_currency, fee_rate, leaves_qty, closed_size, is_maker, create_type, order_type,
       stop_order_type, exec_time, seq, exec_pnl, mark_price, source, received_at
  FROM trading.ledger_rows
 WHERE account = $1 AND exec_time > $2 AND exec_time <= $3
 ORDER BY exec_time, seq, order_id COLLATE "C", leaves_qty DESC, exec_id COLLATE "C";

-- name: stored_fees
-- What the books hold of a time: fees of all owners, and funding received.
SELECT (SELECT coalesce(sum(commission), 0) FROM trading.fills
         WHERE account = $1 AND exec_time > $2 AND exec_time <= $3
           AND fee_currency = 'USDT') AS fees,
       (SELECT coalesce(sum(amount), 0) FROM trading.funding_payments
         WHERE account = $1 AND exec_time > $2 AND exec_time <= $3
           AND currency = 'USDT') AS funding;
