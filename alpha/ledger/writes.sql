-- What the single writer sends. Every statement takes one array per column and may be sent
-- again: the second time changes nothing.

-- name: begin
-- Simple protocol, one round trip. A writer that stops answering must not hold its locks. All
-- look-ups, the foreign keys' above all, are by key: a plan made while a table was small must
-- not scan it when it has grown (measured: 70 ms instead of 3 for a hundred fills). Without sorts,
-- hashes and merges only keys answer trading.expect_ledger_rows().
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL lock_timeout = '2s';
SET LOCAL idle_in_transaction_session_timeout = '2s';
SET LOCAL enable_seqscan = off;
SET LOCAL enable_sort = off;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SET LOCAL plan_cache_mode = force_generic_plan;

-- name: insert_executions
INSERT INTO trading.executions (
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

-- name: insert_adjustments
INSERT INTO trading.adjustments (
    account, symbol, exec_id, qty, price, operator, note, exec_time)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::numeric[], $5::numeric[], $6::text[], $7::text[],
    $8::timestamptz[])
ON CONFLICT (account, symbol, exec_id) DO NOTHING;

-- name: insert_overrides
INSERT INTO trading.attribution_overrides (
    account, symbol, exec_id, bot_id, operator, source, note, created_at)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::timestamptz[])
ON CONFLICT (account, symbol, exec_id, created_at) DO NOTHING;

-- name: replace_fills
DELETE FROM trading.fills t USING unnest($1::text[], $2::text[], $3::timestamptz[])
    AS r(account, symbol, after)
 WHERE t.account = r.account AND t.symbol = r.symbol AND t.exec_time > r.after;

-- name: replace_funding
DELETE FROM trading.funding_payments t USING unnest($1::text[], $2::text[], $3::timestamptz[])
    AS r(account, symbol, after)
 WHERE t.account = r.account AND t.symbol = r.symbol AND t.exec_time > r.after;

-- name: replace_lots
DELETE FROM trading.position_entries t USING unnest($1::text[], $2::text[], $3::timestamptz[])
    AS r(account, symbol, after)
 WHERE t.account = r.account AND t.symbol = r.symbol AND t.entry_time > r.after;

-- name: replace_round_trips
DELETE FROM trading.completed_trades t USING unnest($1::text[], $2::text[], $3::timestamptz[])
    AS r(account, symbol, after)
 WHERE t.account = r.account AND t.symbol = r.symbol AND t.exit_time > r.after;

-- name: replace_cycles
DELETE FROM trading.positions t USING unnest($1::text[], $2::text[], $3::timestamptz[])
    AS r(account, symbol, after)
 WHERE t.account = r.account AND t.symbol = r.symbol AND t.opened_at > r.after;

-- name: upsert_fills
INSERT INTO trading.fills (
    account, symbol, exec_id, bot_id, leg, order_id, order_link_id, client_order_id, side,
    exec_type, exec_price, exec_qty, commission, fee_currency, effect, reason, reason_source,
    attribution, realised, position_after, is_maker, exec_time, seq)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::numeric[], $12::numeric[], $13::numeric[],
    $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::numeric[],
    $20::numeric[], $21::boolean[], $22::timestamptz[], $23::bigint[])
ON CONFLICT (account, symbol, exec_id, bot_id, leg) DO UPDATE SET
    side = excluded.side, exec_qty = excluded.exec_qty, commission = excluded.commission,
    effect = excluded.effect, reason = excluded.reason, reason_source = excluded.reason_source,
    attribution = excluded.attribution, realised = excluded.realised,
    position_after = excluded.position_after;

-- name: upsert_funding
INSERT INTO trading.funding_payments (
    account, symbol, exec_id, bot_id, position, rate, amount, currency, exec_time, seq)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::numeric[], $6::numeric[], $7::numeric[],
    $8::text[], $9::timestamptz[], $10::bigint[])
ON CONFLICT (account, symbol, exec_id, bot_id) DO UPDATE SET
    position = excluded.position, rate = excluded.rate, amount = excluded.amount,
    currency = excluded.currency;

-- name: upsert_lots
INSERT INTO trading.position_entries (
    account, symbol, exec_id, bot_id, side, entry_price, original_qty, remaining_qty,
    entry_commission, commission_left, funding_left, entry_reason, entry_order_id,
    order_link_id, entry_time)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::numeric[], $7::numeric[],
    $8::numeric[], $9::numeric[], $10::numeric[], $11::numeric[], $12::text[], $13::text[],
    $14::text[], $15::timestamptz[])
ON CONFLICT (account, symbol, exec_id, bot_id) DO UPDATE SET
    side = excluded.side, entry_price = excluded.entry_price,
    original_qty = excluded.original_qty, remaining_qty = excluded.remaining_qty,
    entry_commission = excluded.entry_commission, commission_left = excluded.commission_left,
    funding_left = excluded.funding_left, entry_reason = excluded.entry_reason,
    entry_order_id = excluded.entry_order_id, order_link_id = excluded.order_link_id,
    entry_time = excluded.entry_time;

-- name: upsert_round_trips
INSERT INTO trading.completed_trades (
    account, symbol, bot_id, entry_exec_id, exit_exec_id, side, quantity, entry_order_id,
    entry_order_link_id, entry_price, entry_time, entry_reason, entry_commission, exit_order_id,
    exit_order_link_id, exit_price, exit_time, exit_reason, exit_commission, gross_pnl, funding)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::numeric[],
    $8::text[], $9::text[], $10::numeric[], $11::timestamptz[], $12::text[], $13::numeric[],
    $14::text[], $15::text[], $16::numeric[], $17::timestamptz[], $18::text[], $19::numeric[],
    $20::numeric[], $21::numeric[])
ON CONFLICT (account, symbol, entry_exec_id, exit_exec_id, bot_id) DO UPDATE SET
    side = excluded.side, quantity = excluded.quantity,
    entry_order_id = excluded.entry_order_id,
    entry_order_link_id = excluded.entry_order_link_id, entry_price = excluded.entry_price,
    entry_time = excluded.entry_time, entry_reason = excluded.entry_reason,
    entry_commission = excluded.entry_commission, exit_order_id = excluded.exit_order_id,
    exit_order_link_id = excluded.exit_order_link_id, exit_price = excluded.exit_price,
    exit_time = excluded.exit_time, exit_reason = excluded.exit_reason,
    exit_commission = excluded.exit_commission, gross_pnl = excluded.gross_pnl,
    funding = excluded.funding;

-- name: upsert_cycles
-- Closed cycles come first in the arrays: a bot has one open position per symbol.
INSERT INTO trading.positions (
    account, symbol, bot_id, opened_by, side, size, max_size, avg_entry_price, realized_pnl,
    fees, funding, entry_reason, exit_reason, opened_at, closed_at)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::numeric[], $7::numeric[],
    $8::numeric[], $9::numeric[], $10::numeric[], $11::numeric[], $12::text[], $13::text[],
    $14::timestamptz[], $15::timestamptz[])
ON CONFLICT (account, symbol, bot_id, opened_by) DO UPDATE SET
    side = excluded.side, size = excluded.size, max_size = excluded.max_size,
    avg_entry_price = excluded.avg_entry_price, realized_pnl = excluded.realized_pnl,
    fees = excluded.fees, funding = excluded.funding, entry_reason = excluded.entry_reason,
    exit_reason = excluded.exit_reason, opened_at = excluded.opened_at,
    closed_at = excluded.closed_at;

-- name: upsert_orders
-- A late frame never reopens a finished order; the one step back is an order believed never
-- accepted that then shows up on the exchange; what it has shown is never believed absent.
INSERT INTO trading.orders AS o (
    account, order_link_id, client_order_id, bot_id, symbol, side, purpose, reason, order_type,
    qty, price, trigger_price, reduce_only, state, exchange_order_id, exchange_status,
    filled_qty, avg_fill_price, reject_code, reject_reason, parent_order_link_id, decided_at,
    sent_at, acked_at, terminal_at, changed_at, retry_count, rejected_by)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::numeric[], $11::numeric[], $12::numeric[], $13::boolean[],
    $14::text[], $15::text[], $16::text[], $17::numeric[], $18::numeric[], $19::integer[],
    $20::text[], $21::text[], $22::timestamptz[], $23::timestamptz[], $24::timestamptz[],
    $25::timestamptz[], $26::timestamptz[], $27::integer[], $28::text[])
ON CONFLICT (account, order_link_id) DO UPDATE SET
    bot_id = excluded.bot_id, symbol = excluded.symbol, side = excluded.side,
    purpose = excluded.purpose, reason = excluded.reason, order_type = excluded.order_type,
    qty = excluded.qty, price = excluded.price, trigger_price = excluded.trigger_price,
    reduce_only = excluded.reduce_only, state = excluded.state,
    exchange_order_id = coalesce(excluded.exchange_order_id, o.exchange_order_id),
    exchange_status = coalesce(excluded.exchange_status, o.exchange_status),
    filled_qty = excluded.filled_qty, avg_fill_price = excluded.avg_fill_price,
    reject_code = excluded.reject_code, reject_reason = excluded.reject_reason,
    parent_order_link_id = excluded.parent_order_link_id, decided_at = excluded.decided_at,
    sent_at = coalesce(excluded.sent_at, o.sent_at),
    acked_at = coalesce(excluded.acked_at, o.acked_at),
    terminal_at = excluded.terminal_at, changed_at = excluded.changed_at,
    retry_count = greatest(excluded.retry_count, o.retry_count),
    rejected_by = excluded.rejected_by
 WHERE (trading.order_state_rank(excluded.state) > trading.order_state_rank(o.state)
        AND NOT (excluded.state = 'never_accepted' AND o.state IN ('open', 'partially_filled')))
    OR (excluded.state = o.state AND excluded.changed_at >= o.changed_at)
    OR (o.state = 'never_accepted'
        AND excluded.state NOT IN ('pending', 'sent', 'unknown', 'never_accepted'));

-- name: insert_decisions
INSERT INTO config.decisions (account, bot_id, ordinal, event_key, event_time, intents)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::bigint[], $4::text[], $5::timestamptz[], $6::json[])
ON CONFLICT (bot_id, account, ordinal) DO NOTHING;

-- name: insert_signals
-- What the strategy was refused stays as it was decided; the rest is found out later.
INSERT INTO trading.signals (
    account, bot_id, ordinal, place, event_key, origin, symbol, signal_type, reason, price,
    suggested_position_size, suggested_stop_loss, suggested_take_profit, indicators, replayed,
    timestamp, decided_at, order_link_id, client_order_id, rejected_by, rejection_reason, rejected,
    outcome, settled)
SELECT s.*, s.rejected_by IS NOT NULL,
       CASE WHEN s.rejected_by IS NOT NULL THEN 'not_executed' END,
       s.rejected_by IS NOT NULL OR s.signal_type = 'move_stop'
  FROM unnest(
    $1::text[], $2::text[], $3::bigint[], $4::smallint[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::numeric[], $11::numeric[], $12::numeric[], $13::numeric[],
    $14::text[]::jsonb[], $15::boolean[], $16::timestamptz[], $17::timestamptz[], $18::text[],
    $19::text[], $20::text[], $21::text[])
    AS s(account, bot_id, ordinal, place, event_key, origin, symbol, signal_type, reason, price,
         position_size, stop_loss, take_profit, indicators, replayed, at, decided_at,
         order_link_id, client_order_id, rejected_by, why)
ON CONFLICT (bot_id, account, ordinal, place) DO NOTHING;

-- name: upsert_bot_states
INSERT INTO config.bot_state AS b (
    account, bot_id, ordinal, state, last_stamp, cursor, event_time)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::bigint[], $4::json[], $5::bigint[], $6::json[],
    $7::timestamptz[])
ON CONFLICT (bot_id, account) DO UPDATE SET
    ordinal = excluded.ordinal, state = excluded.state, last_stamp = excluded.last_stamp,
    cursor = excluded.cursor, event_time = excluded.event_time
 WHERE excluded.ordinal >= b.ordinal;

-- name: advance_marks
-- Marks only rise. Every account of the transaction gets the same commit number.
INSERT INTO config.marks AS m (account, seen, verified, commit_no)
SELECT r.account, r.seen, r.verified, n.commit_no
  FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS r(account, seen, verified),
       (SELECT nextval('config.commit_numbers') AS commit_no) AS n
ON CONFLICT (account) DO UPDATE SET
    seen = greatest(m.seen, excluded.seen),
    verified = greatest(m.verified, excluded.verified),
    commit_no = excluded.commit_no
RETURNING m.commit_no;
