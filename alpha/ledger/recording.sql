-- What is written down beside the ledger: computed from it, or seen while it was written.

-- name: limit
-- Simple protocol. Nothing here may hold anybody up, and look-ups are by key however small a table
-- is when a plan for it is made.
SET LOCAL lock_timeout = '2s';
SET LOCAL idle_in_transaction_session_timeout = '5s';
SET LOCAL statement_timeout = '20s';
SET LOCAL enable_seqscan = off;

-- name: settle_signals
-- What has become of the signals of these accounts that are not settled yet.
UPDATE trading.signals s
   SET rejected_by = r.rejected_by, rejection_reason = r.rejection_reason, rejected = r.rejected,
       executed = r.executed, sent_at = r.sent_at, acked_at = r.acked_at,
       filled_at = r.filled_at, execution_time = r.execution_time, outcome = r.outcome,
       outcome_pnl = r.outcome_pnl, settled = r.settled
  FROM trading.signal_results r
 WHERE r.account = ANY ($1::text[]) AND NOT r.was_settled
   AND s.bot_id = r.bot_id AND s.account = r.account AND s.ordinal = r.ordinal
   AND s.place = r.place
   AND (s.rejected, s.executed, s.sent_at, s.acked_at, s.filled_at, s.execution_time, s.outcome,
        s.outcome_pnl, s.settled)
       IS DISTINCT FROM
       (r.rejected, r.executed, r.sent_at, r.acked_at, r.filled_at, r.execution_time, r.outcome,
        r.outcome_pnl, r.settled);

-- name: reopen_signals
-- The books of an account's symbol have changed from some moment on: what became of its signals
-- since then is found out anew.
UPDATE trading.signals
   SET settled = false
 WHERE account = $1 AND symbol = $2 AND timestamp >= $3 AND order_link_id IS NOT NULL AND settled;

-- name: insert_balances
-- The first row of an account or bot is its initial one; a position is opened and closed once.
INSERT INTO trading.account_balance (
    account, bot_id, snapshot_type, total_balance, equity, available, margin_used, realized_pnl,
    amount, position_id, source, timestamp)
SELECT r.account, r.bot_id,
       CASE WHEN r.kind = 'periodic'
             AND r.n = min(r.n) OVER (PARTITION BY r.account, r.bot_id) AND NOT EXISTS (
                SELECT FROM trading.account_balance b
                 WHERE b.account = r.account AND b.bot_id IS NOT DISTINCT FROM r.bot_id)
            THEN 'initial' ELSE r.kind END,
       r.wallet, r.equity, r.available, r.margin_used, r.realised, r.amount, r.position_id,
       r.source, r.at
  FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::numeric[], $5::numeric[], $6::numeric[],
    $7::numeric[], $8::numeric[], $9::numeric[], $10::text[], $11::text[], $12::timestamptz[])
    WITH ORDINALITY
    AS r(account, bot_id, kind, wallet, equity, available, margin_used, realised, amount,
         position_id, source, at, n)
 ORDER BY r.n
ON CONFLICT DO NOTHING;

-- name: thin_balances
-- Of what is older than that, one row an hour stays for each account and bot; what has an occasion
-- stays.
DELETE FROM trading.account_balance b
 WHERE b.timestamp < $1 AND b.snapshot_type IN ('periodic', 'wallet')
   AND EXISTS (
        SELECT FROM trading.account_balance later
         WHERE later.account = b.account AND later.bot_id IS NOT DISTINCT FROM b.bot_id
           AND later.timestamp >= b.timestamp
           AND later.timestamp < date_trunc('hour', b.timestamp, 'UTC') + interval '1 hour'
           AND (later.timestamp, later.id) > (b.timestamp, b.id));

-- name: last_wallet
-- The newest word of the exchange on an account's wallet that was written down.
SELECT total_balance, timestamp FROM trading.account_balance
 WHERE account = $1 AND bot_id IS NULL AND source IN ('stream', 'rest')
 ORDER BY timestamp DESC, id DESC LIMIT 1;

-- name: cash_between
-- What executions have moved in an account's wallet after $2 and until $3.
SELECT coalesce((SELECT sum(realised - commission) FROM trading.fills
                  WHERE account = $1 AND exec_time > $2 AND exec_time <= $3), 0)
     + coalesce((SELECT sum(amount) FROM trading.funding_payments
                  WHERE account = $1 AND exec_time > $2 AND exec_time <= $3), 0);

-- name: closed_since
-- The net result of what these bots have closed since each of three moments.
SELECT coalesce(sum(net_pnl) FILTER (WHERE exit_time >= $2), 0) AS day,
       coalesce(sum(net_pnl) FILTER (WHERE exit_time >= $3), 0) AS week,
       coalesce(sum(net_pnl) FILTER (WHERE exit_time >= $4), 0) AS month
  FROM trading.completed_trades
 WHERE bot_id = ANY ($1::text[]) AND exit_time >= least($2, $3, $4);

-- name: insert_portfolio
INSERT INTO analytics.portfolio_snapshots (
    timestamp, installation, total_equity, total_balance, total_unrealized_pnl,
    total_realized_pnl, total_margin_used, portfolio_exposure, net_exposure, portfolio_leverage,
    portfolio_var_95, active_bots, bots_in_trade, total_open_positions, daily_pnl, weekly_pnl,
    monthly_pnl, bot_metrics)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
        $18::text::jsonb);

-- name: close_configuration
-- Ends the version that was in force, if it was another one.
UPDATE config.bot_configurations
   SET is_active = false, effective_until = clock_timestamp()
 WHERE bot_id = $1 AND account = $2 AND config_key = $3 AND is_active AND checksum <> $4
RETURNING version, config_value::text;

-- name: open_configuration
-- A new version, unless this one is in force.
INSERT INTO config.bot_configurations (
    bot_id, account, config_key, config_type, config_value, checksum, version)
SELECT $1, $2, $3, $4, $5::text::jsonb, $6,
       coalesce((SELECT max(version) FROM config.bot_configurations
                  WHERE bot_id = $1 AND account = $2 AND config_key = $3), 0) + 1
 WHERE NOT EXISTS (SELECT FROM config.bot_configurations
                    WHERE bot_id = $1 AND account = $2 AND config_key = $3 AND is_active)
RETURNING version;

-- name: forget_events
DELETE FROM audit.system_events WHERE event_time < clock_timestamp() - $1::integer * interval '1 day';
