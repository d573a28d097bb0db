-- What is read: by a restart, by the recovery, and by people.
-- Ledger order is (exec_time, seq, order_id, leaves_qty desc, exec_id), text by code point.

-- name: executions_since
-- Adjustments among them.
SELECT account, symbol, exec_id, order_id, order_link_id, side, exec_type, price, qty, value,
       fee, fee_currency, fee_rate, leaves_qty, closed_size, is_maker, create_type, order_type,
       stop_order_type, exec_time, seq, exec_pnl, mark_price, source, received_at
  FROM trading.ledger_rows
 WHERE account = $1 AND symbol = $2 AND ($3::timestamptz IS NULL OR exec_time > $3)
 ORDER BY exec_time, seq, order_id COLLATE "C", leaves_qty DESC, exec_id COLLATE "C";

-- name: execution_places
-- Where an execution stands, in every account that has one of this id.
SELECT account, symbol, exec_time FROM trading.executions
 WHERE exec_id = $1 AND ($2::text IS NULL OR account = $2)
 ORDER BY account, symbol;

-- name: missing_exec_ids
-- Of the given (symbol, exec_id) those that the ledger does not hold.
SELECT k.symbol, k.exec_id
  FROM unnest($2::text[], $3::text[]) AS k(symbol, exec_id)
 WHERE NOT EXISTS (SELECT FROM trading.executions e
                    WHERE e.account = $1 AND e.symbol = k.symbol AND e.exec_id = k.exec_id);

-- name: exec_ids_in_window
SELECT symbol, exec_id FROM trading.executions
 WHERE account = $1 AND exec_time > $2 AND exec_time <= $3;

-- name: paid_in_window
SELECT symbol, exec_id, fee FROM trading.executions
 WHERE account = $1 AND exec_time > $2 AND exec_time <= $3;

-- name: open_symbols
SELECT DISTINCT symbol FROM trading.positions
 WHERE account = $1 AND closed_at IS NULL ORDER BY symbol;

-- name: traded_symbols
-- From one symbol to the next by the index, however many executions each has.
WITH RECURSIVE traded(symbol) AS (
    SELECT min(symbol) FROM trading.executions WHERE account = $1
    UNION ALL
    SELECT (SELECT min(e.symbol) FROM trading.executions e
             WHERE e.account = $1 AND e.symbol > t.symbol)
      FROM traded t WHERE t.symbol IS NOT NULL)
SELECT symbol FROM traded WHERE symbol IS NOT NULL
UNION SELECT symbol FROM trading.adjustments WHERE account = $1
ORDER BY symbol;

-- name: count_since
SELECT count(*) AS count
  FROM trading.ledger_rows
 WHERE account = $1 AND symbol = $2 AND ($3::timestamptz IS NULL OR exec_time > $3);

-- name: last_flat
-- The newest moment, at or before $3, after whose last execution no bot held anything; NULL: nothing
-- was traded up to then. Positions that were open when the one before was not closed yet, or was
-- closed in the same millisecond, cover one span; what lies before the newest that covers $3 is flat.
SELECT greatest((SELECT max(e.exec_time) FROM trading.executions e
                  WHERE e.account = $1 AND e.symbol = $2 AND e.exec_time <= flat.at),
                (SELECT max(a.exec_time) FROM trading.adjustments a
                  WHERE a.account = $1 AND a.symbol = $2 AND a.exec_time <= flat.at))
  FROM (SELECT CASE WHEN max(closed) > $3
                    THEN max(opened_at) FILTER (WHERE before IS NULL OR before < opened_at)
                         - interval '1 millisecond'
                    ELSE $3::timestamptz END AS at
          FROM (SELECT p.opened_at, coalesce(p.closed_at, 'infinity') AS closed,
                       max(coalesce(p.closed_at, 'infinity')) OVER (
                           ORDER BY p.opened_at
                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
                  FROM trading.positions p
                 WHERE p.account = $1 AND p.symbol = $2 AND p.opened_at <= $3) spans) flat;

-- name: newest_execution
-- One look at the index of each account.
SELECT max((SELECT max(e.exec_time) FROM trading.executions e WHERE e.account = a.account))
  FROM trading.accounts a
 WHERE $1::text IS NULL OR a.account = $1;

-- name: overrides
SELECT DISTINCT ON (symbol, exec_id) exec_id, bot_id
  FROM trading.attribution_overrides
 WHERE account = $1
 ORDER BY symbol, exec_id, id DESC;

-- name: order_tags
-- Whose order an exchange order id is: by its own id, or by its parent's. What the exchange made
-- for whoever held the position tells nothing: the books find its owner themselves. The ids of
-- one kind in one text, with a space between two: there are many.
SELECT bot_id, reason, parent_order_link_id IS NOT NULL AS is_child,
       string_agg(exchange_order_id, ' ') AS order_ids
  FROM trading.orders
 WHERE account = $1 AND ($2::text IS NULL OR symbol = $2)
   AND ($3::text[] IS NULL OR exchange_order_id = ANY ($3))
   AND exchange_order_id IS NOT NULL AND bot_id <> 'manual'
   AND (client_order_id IS NOT NULL
        OR starts_with(parent_order_link_id, bot_id || '-')
        OR starts_with(parent_order_link_id, bot_id || ':'))
 GROUP BY bot_id, reason, is_child;

-- name: open_orders
SELECT account, order_link_id, bot_id, symbol, side, purpose, reason, order_type, qty, price,
       trigger_price, reduce_only, state, exchange_order_id, exchange_status, filled_qty,
       avg_fill_price, reject_code, reject_reason, decided_at, sent_at, acked_at, terminal_at,
       changed_at, parent_order_link_id, retry_count, rejected_by
  FROM trading.orders
 WHERE account = $1
   AND state IN ('pending', 'sent', 'unknown', 'acked', 'open', 'partially_filled')
 ORDER BY decided_at, order_link_id COLLATE "C";

-- name: order_ids_since
SELECT order_link_id FROM trading.orders WHERE account = $1 AND decided_at >= $2;

-- name: bot_state
SELECT ordinal, state, last_stamp, cursor, event_time
  FROM config.bot_state WHERE account = $1 AND bot_id = $2;

-- name: known_bots
SELECT bot_id FROM trading.bots WHERE account = $1 AND bot_id <> 'manual' ORDER BY bot_id;

-- name: symbol_owners
SELECT symbol, bot_id FROM config.symbol_owners WHERE account = $1;

-- name: marks
SELECT account, seen, verified, commit_no FROM config.marks
 WHERE $1::text IS NULL OR account = $1 ORDER BY account;

-- name: leases
SELECT account, holder, epoch, expires_at, expires_at > clock_timestamp() AS alive
  FROM config.leases ORDER BY account;

-- name: accounts
SELECT account, mode, netting FROM trading.accounts ORDER BY account;

-- name: bots
SELECT b.bot_id, b.bot_name, b.account, b.strategy_name, b.status, b.status_reason, b.mode,
       b.initial_capital, b.current_equity, b.last_heartbeat, b.process_heartbeat,
       (SELECT count(*) FROM trading.positions p
         WHERE p.bot_id = b.bot_id AND p.account = b.account AND p.closed_at IS NULL)
           AS open_positions,
       (SELECT count(*) FROM trading.orders o
         WHERE o.bot_id = b.bot_id AND o.account = b.account) AS orders,
       (SELECT count(*) FROM trading.fills f
         WHERE f.bot_id = b.bot_id AND f.account = b.account) AS fills,
       (SELECT coalesce(sum(net_pnl), 0) FROM trading.completed_trades t
         WHERE t.bot_id = b.bot_id AND t.account = b.account) AS realised_pnl
  FROM trading.bots b
 WHERE b.bot_id <> 'manual'
 ORDER BY b.bot_id;

-- name: bot_beats
-- Who there is, and when its process was last heard of.
SELECT bot_id, process_heartbeat FROM trading.bots WHERE bot_id <> 'manual' ORDER BY bot_id;

-- name: bot_totals
-- What the whole ledger holds of one bot.
SELECT (SELECT count(*) FROM trading.orders
         WHERE bot_id = $2 AND account = $1) AS orders,
       (SELECT count(*) FROM trading.fills
         WHERE bot_id = $2 AND account = $1) AS fills,
       (SELECT coalesce(sum(net_pnl), 0) FROM trading.completed_trades
         WHERE bot_id = $2 AND account = $1) AS realised_pnl;

-- name: positions
SELECT p.bot_id, p.account, p.symbol, p.side, p.size, p.avg_entry_price, p.realized_pnl, p.fees,
       p.funding, p.entry_reason, p.opened_at, x.mark_price,
       CASE WHEN o.is_own THEN o.stop_loss ELSE x.stop_loss END AS stop_loss,
       CASE WHEN o.is_own THEN o.take_profit ELSE x.take_profit END AS take_profit,
       CASE WHEN o.is_own THEN NULL ELSE x.trailing_stop END AS trailing_stop
  FROM trading.positions p
  LEFT JOIN trading.exchange_positions x
    ON x.account = p.account AND x.symbol = p.symbol AND x.position_idx = 0
 CROSS JOIN LATERAL (
    -- Where several bots may trade the symbol, each has conditional orders of its own as stops.
    SELECT count(*) > 0 AS is_own,
           max(trigger_price) FILTER (WHERE reason <> 'take_profit') AS stop_loss,
           max(trigger_price) FILTER (WHERE reason = 'take_profit') AS take_profit
      FROM trading.orders
     WHERE account = p.account AND bot_id = p.bot_id AND symbol = p.symbol
       AND purpose = 'stop' AND client_order_id IS NOT NULL
       AND state IN ('acked', 'open', 'partially_filled')) o
 WHERE p.closed_at IS NULL AND ($1::text IS NULL OR p.bot_id = $1)
 ORDER BY p.bot_id, p.symbol;

-- name: open_results
-- At the newest price that is known; NULL without one.
SELECT account, bot_id, symbol, unrealized_pnl FROM trading.position_summaries
 WHERE $1::text IS NULL OR bot_id = $1;

-- name: orders
SELECT * FROM (
    SELECT client_order_id, order_link_id, exchange_order_id, bot_id, account, symbol, side,
           purpose, reason, order_type, qty, price, trigger_price, reduce_only, state,
           exchange_status, filled_qty, avg_fill_price, reject_code, reject_reason, decided_at,
           sent_at, acked_at, terminal_at, changed_at
      FROM trading.orders
     WHERE $1::text IS NULL OR bot_id = $1
     ORDER BY decided_at DESC, order_link_id COLLATE "C" DESC
     LIMIT $2) AS newest
 ORDER BY decided_at, order_link_id COLLATE "C";

-- name: fills
SELECT * FROM (
    SELECT f.exec_time, f.bot_id, f.account, f.symbol, f.side, f.exec_qty, f.exec_price,
           f.commission, f.close_reason, f.client_order_id, f.effect, f.leg, f.realised,
           f.position_after, f.attribution, f.reason_source, f.is_maker, f.exec_type, f.exec_id,
           f.order_id, f.seq, coalesce(e.leaves_qty, 0) AS leaves_qty
      FROM trading.fills f
      LEFT JOIN trading.executions e USING (account, symbol, exec_id)
     WHERE $1::text IS NULL OR f.bot_id = $1
     ORDER BY f.exec_time DESC, f.seq DESC, f.order_id COLLATE "C" DESC, leaves_qty,
              f.exec_id COLLATE "C" DESC, f.leg DESC, f.bot_id DESC
     LIMIT $2) AS newest
 ORDER BY exec_time, seq, order_id COLLATE "C", leaves_qty DESC, exec_id COLLATE "C", leg, bot_id;

-- name: alerts
SELECT * FROM (
    SELECT id, event_time, event_type, event_level, component, account, bot_id, symbol,
           coalesce((details ->> 'repeated')::integer, 0) AS repeated, message,
           (details - 'repeated')::text AS details
      FROM audit.system_events
     WHERE event_level IN ('ERROR', 'CRITICAL')
     ORDER BY event_time DESC, id DESC
     LIMIT $1) AS newest
 ORDER BY event_time, id;

-- name: daily
SELECT to_char(trade_date, 'YYYY-MM-DD') AS trade_date, bot_id, trades, wins, losses, win_rate,
       net_pnl, fees, funding, best, worst
  FROM trading.bot_daily_performance
 WHERE ($1::text IS NULL OR bot_id = $1)
   AND trade_date > ($2::timestamptz AT TIME ZONE 'UTC')::date
 ORDER BY trade_date, bot_id;

-- name: order_codes
SELECT code, reason FROM config.order_tags;

-- name: qty_steps
SELECT symbol, since, qty_step FROM config.quantity_steps WHERE account = $1;

-- name: all_overrides
-- In the order in which they were given.
SELECT account, exec_id, bot_id FROM trading.attribution_overrides
 WHERE $1::text IS NULL OR account = $1 ORDER BY id;

-- name: booked_symbols
-- Symbols of the ledger and of everything derived from it.
SELECT symbol FROM trading.ledger_rows WHERE account = $1
UNION SELECT symbol FROM trading.fills WHERE account = $1
UNION SELECT symbol FROM trading.funding_payments WHERE account = $1
UNION SELECT symbol FROM trading.position_entries WHERE account = $1
UNION SELECT symbol FROM trading.completed_trades WHERE account = $1
UNION SELECT symbol FROM trading.positions WHERE account = $1
ORDER BY symbol;

-- name: open_sizes
-- Signed size by bot and symbol, out of the lots.
SELECT bot_id, symbol,
       sum(CASE side WHEN 'long' THEN remaining_qty ELSE -remaining_qty END) AS size
  FROM trading.position_entries
 WHERE account = $1 AND remaining_qty > 0
 GROUP BY bot_id, symbol;

-- name: counts
SELECT (SELECT count(*) FROM trading.executions
         WHERE $1::text IS NULL OR account = $1) AS executions,
       (SELECT count(*) FROM trading.fills
         WHERE $1::text IS NULL OR account = $1) AS fills;

-- name: cash_flow
SELECT (SELECT coalesce(sum(realised - commission), 0) FROM trading.fills
         WHERE account = $1 AND bot_id = $2)
     + (SELECT coalesce(sum(amount), 0) FROM trading.funding_payments
         WHERE account = $1 AND bot_id = $2) AS cash_flow;

-- name: cash_by_owner
-- Of those who have any.
SELECT b.bot_id, coalesce(f.cash, 0) + coalesce(p.cash, 0) AS cash_flow
  FROM trading.bots b
 CROSS JOIN LATERAL (SELECT sum(realised - commission) AS cash FROM trading.fills
                      WHERE bot_id = b.bot_id AND account = b.account) f
 CROSS JOIN LATERAL (SELECT sum(amount) AS cash FROM trading.funding_payments
                      WHERE bot_id = b.bot_id AND account = b.account) p
 WHERE b.account = $1 AND (f.cash IS NOT NULL OR p.cash IS NOT NULL);

-- name: stop_plan
-- The order id of a lot names the decision that it comes from, also while the order's own row is
-- not stored yet.
SELECT i.value ->> 'stops' AS stops
  FROM trading.position_entries e
  JOIN config.decisions d
    ON d.bot_id = e.bot_id AND d.account = e.account
   AND d.event_time BETWEEN e.entry_time - interval '2 days' AND e.entry_time
 CROSS JOIN LATERAL json_array_elements(d.intents) i
 WHERE e.account = $1 AND e.bot_id = $2 AND e.symbol = $3 AND e.remaining_qty > 0
   AND i.value ->> 'id' = e.order_link_id
 ORDER BY e.entry_time DESC
 LIMIT 1;

-- name: moved_stop
-- Where the strategy has moved the stop of the open position since its newest entry.
SELECT (i.value ->> 'stop_loss')::numeric AS stop_loss
  FROM config.decisions d
 CROSS JOIN LATERAL json_array_elements(d.intents) i
 WHERE d.account = $1 AND d.bot_id = $2
   AND d.event_time >= (SELECT max(e.entry_time) FROM trading.position_entries e
                         WHERE e.account = $1 AND e.bot_id = $2 AND e.symbol = $3
                           AND e.remaining_qty > 0)
   AND i.value ->> 'kind' = 'move_stop' AND i.value ->> 'symbol' = $3
   AND i.value ->> 'dropped' IS NULL
 ORDER BY d.ordinal DESC
 LIMIT 1;

-- name: first_fill
SELECT min(f.exec_time) FROM trading.fills f
  JOIN trading.executions e USING (account, symbol, exec_id)
 WHERE f.account = $1 AND f.bot_id = $2 AND f.symbol = $3 AND e.source <> 'import';

-- name: unfinished_exits
-- Exits that ended with something left of an open position, and that no decision has followed.
SELECT o.account, o.order_link_id, o.bot_id, o.symbol, o.side, o.purpose, o.reason, o.order_type,
       o.qty, o.price, o.trigger_price, o.reduce_only, o.state, o.exchange_order_id,
       o.exchange_status, o.filled_qty, o.avg_fill_price, o.reject_code, o.reject_reason,
       o.decided_at, o.sent_at, o.acked_at, o.terminal_at, o.changed_at, o.parent_order_link_id,
       o.retry_count, o.rejected_by
  FROM trading.orders o
  JOIN trading.positions p
    ON p.account = o.account AND p.bot_id = o.bot_id AND p.symbol = o.symbol
   AND p.closed_at IS NULL AND p.opened_at <= o.decided_at
 WHERE o.account = $1 AND o.bot_id = $2 AND o.purpose = 'exit' AND o.filled_qty < o.qty
   AND o.state IN ('never_accepted', 'rejected', 'deactivated', 'cancelled')
   AND NOT EXISTS (SELECT FROM config.decisions d
                    WHERE d.account = o.account AND d.bot_id = o.bot_id
                      AND d.event_key = 'rest:' || o.order_link_id)
 ORDER BY o.decided_at, o.order_link_id COLLATE "C";

-- name: executed_qty
SELECT o.order_link_id, sum(e.qty) AS qty
  FROM trading.orders o
  JOIN trading.executions e
    ON e.account = o.account AND e.symbol = o.symbol
   AND (e.order_link_id = o.order_link_id OR e.order_id = o.exchange_order_id)
 WHERE o.account = $1 AND o.order_link_id = ANY ($2::text[]) AND e.exec_type <> 'Funding'
 GROUP BY o.order_link_id;
