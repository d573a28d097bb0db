-- History from before the ledger: staged, compared, brought in; all in one transaction.

-- name: limits
SET LOCAL lock_timeout = '10s';
SET LOCAL idle_in_transaction_session_timeout = '60s';
-- One import at a time: two of the same source would count each other's rows as their own.
LOCK TABLE audit.imports IN SHARE ROW EXCLUSIVE MODE;

-- name: next_import
SELECT coalesce(max(id), 0) + 1 FROM audit.imports;

-- name: register_account
INSERT INTO trading.accounts (account, mode) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: register_bot
-- A bot that no daemon has registered yet. What is there stays as it is.
INSERT INTO trading.bots (bot_id, account, bot_name, bot_type, strategy_name, mode)
VALUES ($1, $2, $1, $3, $3, $4)
ON CONFLICT DO NOTHING;

-- name: registered
SELECT account FROM trading.bots WHERE bot_id = $1;

-- name: stage
CREATE TEMP TABLE staged_trades (LIKE trading.imported_trades) ON COMMIT DROP;
CREATE TEMP TABLE staged_fills (LIKE trading.imported_fills) ON COMMIT DROP;
CREATE TEMP TABLE staged_records (LIKE trading.imported_records) ON COMMIT DROP;

-- name: bring_trades
WITH brought AS (
    INSERT INTO trading.imported_trades (
        kind, source_id, account, bot_id, symbol, side, quantity, entry_order_id, entry_price,
        entry_time, entry_reason, entry_commission, exit_order_id, exit_price, exit_time,
        exit_reason, exit_commission, gross_pnl, net_pnl, pnl_pct, quality, import_id)
    SELECT kind, source_id, account, bot_id, symbol, side, quantity, entry_order_id, entry_price,
           entry_time, entry_reason, entry_commission, exit_order_id, exit_price, exit_time,
           exit_reason, exit_commission, gross_pnl, net_pnl, pnl_pct, quality, import_id
      FROM staged_trades
    ON CONFLICT DO NOTHING
    RETURNING *)
SELECT count(*) AS rows, coalesce(sum(quantity), 0) AS quantity,
       coalesce(sum(net_pnl), 0) AS net_pnl,
       coalesce(sum(entry_commission + exit_commission), 0) AS fees
  FROM brought;

-- name: bring_fills
WITH brought AS (
    INSERT INTO trading.imported_fills (
        kind, source_id, account, bot_id, symbol, order_id, client_order_id, side, exec_price,
        exec_qty, exec_time, commission, close_reason, quality, import_id)
    SELECT kind, source_id, account, bot_id, symbol, order_id, client_order_id, side, exec_price,
           exec_qty, exec_time, commission, close_reason, quality, import_id
      FROM staged_fills
    ON CONFLICT DO NOTHING
    RETURNING *)
SELECT count(*) AS rows, coalesce(sum(exec_qty), 0) AS quantity, 0::numeric AS net_pnl,
       coalesce(sum(commission), 0) AS fees
  FROM brought;

-- name: bring_records
WITH brought AS (
    INSERT INTO trading.imported_records (
        kind, source_table, source_id, account, bot_id, symbol, recorded_at, record, import_id)
    SELECT kind, source_table, source_id, account, bot_id, symbol, recorded_at, record, import_id
      FROM staged_records
    ON CONFLICT DO NOTHING
    RETURNING *)
SELECT count(*) AS rows, 0::numeric AS quantity, 0::numeric AS net_pnl, 0::numeric AS fees
  FROM brought;

-- name: different_figures
-- Rows that are known already, with other figures than the source has now.
SELECT count(*)
  FROM staged_trades s
  JOIN trading.imported_trades t USING (kind, bot_id, source_id)
 WHERE (s.side, s.quantity, s.net_pnl, s.exit_time)
       IS DISTINCT FROM (t.side, t.quantity, t.net_pnl, t.exit_time);

-- name: sums
-- What the history of these bots adds up to.
SELECT 'trades' AS what, bot_id, symbol, count(*) AS rows,
       coalesce(sum(quantity), 0) AS quantity, coalesce(sum(net_pnl), 0) AS net_pnl,
       coalesce(sum(entry_commission + exit_commission), 0) AS fees
  FROM trading.imported_trades
 WHERE bot_id = ANY ($1::text[])
 GROUP BY bot_id, symbol
UNION ALL
SELECT 'fills', bot_id, symbol, count(*), sum(exec_qty), 0, sum(commission)
  FROM trading.imported_fills
 WHERE bot_id = ANY ($1::text[])
 GROUP BY bot_id, symbol
UNION ALL
SELECT 'records', bot_id, '', count(*), 0, 0, 0
  FROM trading.imported_records
 WHERE bot_id = ANY ($1::text[])
 GROUP BY bot_id
 ORDER BY 1 DESC, 2, 3;

-- name: record_import
INSERT INTO audit.imports (id, kind, source, sha256, report)
VALUES ($1, $2, $3, $4, $5::text::jsonb);

-- name: exchange_positions
-- What the exchange last said: positive for long.
SELECT account, symbol, sum(signed_size) AS signed_size
  FROM trading.exchange_positions GROUP BY account, symbol;

-- name: first_executions
-- From when the ledger has each symbol: one look at the index for each, however many rows there are.
WITH RECURSIVE place(account, symbol) AS (
    (SELECT account, symbol FROM trading.executions ORDER BY account, symbol LIMIT 1)
    UNION ALL
    SELECT e.account, e.symbol
      FROM place p
     CROSS JOIN LATERAL (SELECT account, symbol FROM trading.executions
                          WHERE (account, symbol) > (p.account, p.symbol)
                          ORDER BY account, symbol LIMIT 1) e
)
SELECT p.account, p.symbol,
       (SELECT min(e.exec_time) FROM trading.executions e
         WHERE e.account = p.account AND e.symbol = p.symbol) AS exec_time
  FROM place p;

-- name: imports
SELECT id, imported_at, kind, source, sha256, (report ->> 'new_rows')::integer AS new_rows
  FROM audit.imports ORDER BY id;

-- name: history
-- Imported round trips of the bots $1, as far as they count: trading.round_trips decides. It is
-- asked row by row, because all round trips of a bot's life in the ledger stand in it, too.
SELECT t.bot_id, count(*) AS trades, count(*) FILTER (WHERE t.net_pnl > 0) AS wins,
       count(*) FILTER (WHERE t.net_pnl < 0) AS losses,
       count(*) FILTER (WHERE t.quality = 'estimated') AS estimated,
       sum(t.entry_commission + t.exit_commission) AS fees, sum(t.net_pnl) AS net_pnl,
       min(t.exit_time) AS first, max(t.exit_time) AS last
  FROM trading.imported_trades t
 WHERE t.bot_id = ANY ($1::text[])
   AND EXISTS (SELECT FROM trading.round_trips r
                WHERE r.bot_id = t.bot_id AND r.account = t.account AND r.symbol = t.symbol
                  AND r.exit_time = t.exit_time AND r.entry_exec_id = t.trade_id
                  AND r.source = 'import' OFFSET 0)
 GROUP BY t.bot_id;
