-- What is written down beside the ledger: computed from it, or seen while it was written.

-- name: limit
-- Simple protocol. Nothing here may hold anybody up, and look-ups are by key however small a table
-- is when a plan for it is made.
SET LOCAL lock_timeout = '2s';
SET LOCAL idle_in_transaction_session_timeout = '5s';
SET LOCAL statement_timeout = '20s';
SET LOCAL enable_seqscan = off;

-- name: by_key
-- Row by row, also where the planner takes few rows for many: joins over whole tables are never right.
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;

-- name: settle_signals
-- What has become of the signals of these accounts that are not settled yet. MATERIALIZED: of those
-- alone it is found out.
WITH r AS MATERIALIZED (
    SELECT * FROM trading.signal_results WHERE account = ANY ($1::text[]) AND NOT was_settled
)
UPDATE trading.signals s
   SET rejected_by = r.rejected_by, rejection_reason = r.rejection_reason, rejected = r.rejected,
       executed = r.executed, sent_at = r.sent_at, acked_at = r.acked_at,
       filled_at = r.filled_at, execution_time = r.execution_time, outcome = r.outcome,
       outcome_pnl = r.outcome_pnl, settled = r.settled
  FROM r
 WHERE s.bot_id = r.bot_id AND s.account = r.account AND s.ordinal = r.ordinal
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
    amount, position_id, source, timestamp, since, until)
SELECT r.account, r.bot_id,
       CASE WHEN r.kind = 'periodic'
             AND r.n = min(r.n) OVER (PARTITION BY r.account, r.bot_id) AND NOT EXISTS (
                SELECT FROM trading.account_balance b
                 WHERE b.account = r.account AND b.bot_id IS NOT DISTINCT FROM r.bot_id)
            THEN 'initial' ELSE r.kind END,
       r.wallet, r.equity, r.available, r.margin_used, r.realised, r.amount, r.position_id,
       r.source, r.at, r.since, r.until
  FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::numeric[], $5::numeric[], $6::numeric[],
    $7::numeric[], $8::numeric[], $9::numeric[], $10::text[], $11::text[], $12::timestamptz[],
    $13::timestamptz[], $14::timestamptz[])
    WITH ORDINALITY
    AS r(account, bot_id, kind, wallet, equity, available, margin_used, realised, amount,
         position_id, source, at, since, until, n)
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

-- name: settled_wallet
SELECT wallet, told_at, stood_still FROM trading.settled_wallets WHERE account = $1;

-- name: settle_wallets
INSERT INTO trading.settled_wallets AS s (account, wallet, told_at, stood_still, joined_to)
SELECT r.*, CASE WHEN r.stood_still THEN r.told_at + interval '10 s' END
  FROM unnest($1::text[], $2::numeric[], $3::timestamptz[], $4::boolean[])
    AS r(account, wallet, told_at, stood_still)
ON CONFLICT (account) DO UPDATE
   SET wallet = excluded.wallet, told_at = excluded.told_at, stood_still = excluded.stood_still,
       joined_to = coalesce(s.joined_to, excluded.joined_to);

-- name: wallets_between
-- The newest wallets of an account that were written down after $3 and before $4, also as that of one of
-- the bots $2, which have it alone.
SELECT total_balance, timestamp FROM trading.account_balance
 WHERE account = $1 AND (bot_id IS NULL OR bot_id = ANY ($2::text[]))
   AND timestamp > $3 AND timestamp < $4
 ORDER BY timestamp DESC, id DESC LIMIT $5;

-- name: cash_between
-- What executions have moved in an account's wallet after $2 and until $3, as the exchange books it:
-- it closes at the average price (execPnl), the bots' books first in, first out. NULL where it has
-- not told what a closing one has won.
SELECT CASE WHEN bool_or(closed_size > 0 AND exec_pnl IS NULL) THEN NULL
            ELSE coalesce(sum(coalesce(exec_pnl, 0)
                              - CASE fee_currency WHEN 'USDT' THEN fee ELSE 0 END), 0) END
  FROM trading.executions
 WHERE account = $1 AND exec_time > $2 AND exec_time <= $3;

-- name: confirm_transfers
-- The transaction log knows what a wallet only shows: where it covers the time of a deposit or
-- withdrawal, that is what the log says, or none. The two clocks may differ: the wallet stood still
-- for longer than ten seconds at both ends. What the log tells of other times has cancelled out
-- before the wallet stood still: each of it has a row, of the account and of the bots $3 on $2 that
-- have it alone. These times follow each other without a gap, from one settled wallet to the next,
-- so that each movement is counted once. All in one statement: it sees the log at one moment.
WITH known AS MATERIALIZED (
    SELECT t.id, t.account, t.since + interval '10 s' AS since, e.at,
           coalesce((SELECT sum(m.change) FROM trading.cash_movements m
                      WHERE m.account = t.account
                        AND m.moved_at > t.since + interval '10 s'
                        AND m.moved_at <= e.at), 0)::numeric(20, 8) AS amount
      FROM trading.account_balance t
     CROSS JOIN LATERAL (SELECT coalesce(t.until, t.timestamp) + interval '10 s' AS at) e
      JOIN trading.sync_watermarks w ON w.account = t.account AND w.endpoint = 'transactions'
     WHERE t.account = ANY ($1::text[]) AND t.amount IS NOT NULL AND t.since IS NOT NULL
       AND w.high_water >= e.at),
confirmed AS (
    UPDATE trading.account_balance b
       SET amount = nullif(k.amount, 0), since = NULL, until = NULL,
           confirmed_at = CASE WHEN b.amount <> k.amount THEN clock_timestamp() END,
           snapshot_type = CASE WHEN k.amount > 0 THEN 'deposit'
                                WHEN k.amount < 0 THEN 'withdrawal'
                                WHEN b.bot_id IS NULL THEN 'wallet' ELSE 'periodic' END
      FROM known k
     WHERE b.id = k.id
    RETURNING b.id),
span AS MATERIALIZED (
    SELECT s.account, s.joined_to AS after,
           least(w.high_water, s.told_at + interval '10 s',
                 (SELECT min(t.since) + interval '10 s' FROM trading.account_balance t
                   WHERE t.account = s.account AND t.amount IS NOT NULL AND t.since IS NOT NULL
                     AND NOT EXISTS (SELECT FROM known k WHERE k.id = t.id))) AS up_to
      FROM trading.settled_wallets s
      JOIN trading.sync_watermarks w ON w.account = s.account AND w.endpoint = 'transactions'
     WHERE s.account = ANY ($1::text[]) AND s.stood_still AND s.joined_to IS NOT NULL),
joined AS (
    UPDATE trading.settled_wallets s SET joined_to = p.up_to
      FROM span p WHERE p.account = s.account AND p.up_to > s.joined_to),
missed AS MATERIALIZED (
    SELECT m.account, m.moved_at, sum(m.change)::numeric(20, 8) AS amount
      FROM span p
      JOIN trading.cash_movements m
        ON m.account = p.account AND m.moved_at > p.after AND m.moved_at <= p.up_to
     WHERE NOT EXISTS (SELECT FROM known k WHERE k.account = m.account
                          AND m.moved_at > k.since AND m.moved_at <= k.at)
     GROUP BY m.account, m.moved_at HAVING abs(sum(m.change)) >= $4),
written AS (
    INSERT INTO trading.account_balance (
        account, bot_id, snapshot_type, total_balance, equity, realized_pnl, amount, source,
        timestamp)
    SELECT m.account, o.bot_id, CASE WHEN m.amount > 0 THEN 'deposit' ELSE 'withdrawal' END,
           b.total_balance + c.amount, b.equity + c.amount, b.realized_pnl, m.amount, 'books',
           m.moved_at
      FROM missed m
      JOIN (SELECT account, NULL AS bot_id FROM unnest($1::text[]) account
            UNION ALL SELECT * FROM unnest($2::text[], $3::text[])) o USING (account)
     CROSS JOIN LATERAL (
            SELECT x.total_balance, x.equity, x.realized_pnl, x.timestamp
              FROM trading.account_balance x
             WHERE x.account = m.account AND x.bot_id IS NOT DISTINCT FROM o.bot_id
               AND x.timestamp < m.moved_at
             ORDER BY x.timestamp DESC, x.id DESC LIMIT 1) b
     CROSS JOIN LATERAL (
            SELECT sum(x.amount) AS amount FROM missed x
             WHERE x.account = m.account AND x.moved_at > b.timestamp
               AND x.moved_at <= m.moved_at) c
    RETURNING id)
SELECT (SELECT count(*) FROM confirmed) + (SELECT count(*) FROM written);

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

-- name: risk_since
-- The first day of a bot to compute: the newest that was computed, or an earlier one whose round
-- trips were written since, or whose transfers were, or were others than thought; NULL: all of them.
SELECT least(m.newest, (SELECT min((t.exit_time AT TIME ZONE 'UTC')::date)
                          FROM trading.completed_trades t
                         WHERE t.bot_id = $1 AND t.account = $2
                           AND t.exit_time >= (m.newest - 60)::timestamp AT TIME ZONE 'UTC'
                           AND greatest(t.created_at, t.updated_at) > m.calculated_at),
             (SELECT min((b.timestamp AT TIME ZONE 'UTC')::date)
                FROM trading.account_balance b
               WHERE b.bot_id = $1 AND b.account = $2 AND b.confirmed_at > m.calculated_at),
             (SELECT min((b.timestamp AT TIME ZONE 'UTC')::date)
                FROM trading.account_balance b
               WHERE b.bot_id = $1 AND b.account = $2 AND b.amount IS NOT NULL
                 AND b.created_at > m.calculated_at))
             AS since
  FROM (SELECT max(date) AS newest, max(calculated_at) AS calculated_at
          FROM trading.risk_metrics WHERE bot_id = $1 AND account = $2) m
 WHERE m.newest IS NOT NULL;

-- name: risk_days
-- Every day on which a bot's equity was written down, with its trades. Falls are from the highest
-- equity before, with money from outside taken off.
WITH points AS (
    SELECT (timestamp AT TIME ZONE 'UTC')::date AS day, timestamp, id, equity, own_equity,
           max(own_equity) OVER (ORDER BY timestamp, id) AS peak
      FROM trading.equity_history
     WHERE account = $2 AND bot_id = $1
), days AS (
    SELECT day,
           (array_agg(equity ORDER BY timestamp, id))[1] AS first_equity,
           (array_agg(equity ORDER BY timestamp DESC, id DESC))[1] AS last_equity,
           (array_agg(peak - own_equity ORDER BY timestamp DESC, id DESC))[1] AS current_drawdown,
           max(peak - own_equity) AS fall,
           max((peak - own_equity) / nullif(peak, 0)) AS fall_pct
      FROM points GROUP BY day
), flows AS (
    SELECT (timestamp AT TIME ZONE 'UTC')::date AS day, sum(amount) AS amount
      FROM trading.account_balance
     WHERE account = $2 AND bot_id = $1 AND amount IS NOT NULL GROUP BY 1
), trades AS (
    SELECT trade_date AS day, count(*) AS trades,
           count(*) FILTER (WHERE net_pnl > 0) AS wins,
           count(*) FILTER (WHERE net_pnl < 0) AS losses,
           coalesce(sum(net_pnl) FILTER (WHERE net_pnl > 0), 0) AS gross_profit,
           coalesce(-sum(net_pnl) FILTER (WHERE net_pnl < 0), 0) AS gross_loss,
           avg(net_pnl) FILTER (WHERE net_pnl > 0) AS avg_win,
           avg(net_pnl) FILTER (WHERE net_pnl < 0) AS avg_loss,
           max(net_pnl) FILTER (WHERE net_pnl > 0) AS largest_win,
           min(net_pnl) FILTER (WHERE net_pnl < 0) AS largest_loss,
           sum(net_pnl) AS net,
           extract(epoch FROM avg(held)) / 3600 AS avg_hours,
           extract(epoch FROM min(held)) / 3600 AS shortest_hours,
           extract(epoch FROM max(held)) / 3600 AS longest_hours
      FROM trading.daily_trades
     WHERE bot_id = $1 AND account = $2 AND NOT is_estimated -- imported ones moved no equity here
     GROUP BY 1
), sizes AS (
    SELECT (exit_time AT TIME ZONE 'UTC')::date AS day,
           sum(quantity * entry_price)
               / count(DISTINCT coalesce(nullif(entry_order_id, ''), entry_exec_id)) AS size
      FROM trading.completed_trades
     WHERE bot_id = $1 AND account = $2 GROUP BY 1
), pictures AS (
    SELECT (timestamp AT TIME ZONE 'UTC')::date AS day,
           (bot_metrics -> $1 ->> 'exposure')::numeric AS exposure,
           nullif((bot_metrics -> $1 ->> 'equity')::numeric, 0) AS equity
      FROM analytics.portfolio_snapshots
     WHERE timestamp >= $3::date::timestamp AT TIME ZONE 'UTC'
       AND bot_metrics -> $1 ->> 'account' = $2
), exposures AS (
    SELECT day, max(exposure) AS max_exposure, max(exposure / equity) AS max_leverage,
           avg(exposure / equity) AS avg_leverage
      FROM pictures WHERE equity > 0 GROUP BY day
)
SELECT d.day,
       coalesce(lag(d.last_equity) OVER (ORDER BY d.day), d.first_equity) AS starting_equity,
       d.last_equity AS ending_equity, coalesce(f.amount, 0) AS cash_flow,
       coalesce(t.trades, 0) AS trades, coalesce(t.wins, 0) AS wins,
       coalesce(t.losses, 0) AS losses,
       coalesce(t.trades - t.wins - t.losses, 0) AS breakeven,
       t.wins::numeric / t.trades AS win_rate,
       coalesce(t.gross_profit, 0) AS gross_profit, coalesce(t.gross_loss, 0) AS gross_loss,
       coalesce(t.net, 0) AS net_profit, t.gross_profit / nullif(t.gross_loss, 0) AS profit_factor,
       t.avg_win, t.avg_loss, t.largest_win, t.largest_loss,
       max(d.fall) OVER (ORDER BY d.day) AS max_drawdown,
       coalesce(max(d.fall_pct) OVER (ORDER BY d.day), 0) AS max_drawdown_pct,
       d.current_drawdown, e.avg_leverage, e.max_leverage, s.size AS avg_position_size,
       e.max_exposure, t.avg_hours, t.shortest_hours, t.longest_hours
  FROM days d
  LEFT JOIN flows f USING (day)
  LEFT JOIN trades t USING (day)
  LEFT JOIN sizes s USING (day)
  LEFT JOIN exposures e USING (day)
 ORDER BY d.day;

-- name: upsert_risk_day
INSERT INTO trading.risk_metrics (
    bot_id, account, date, starting_equity, ending_equity, cash_flow, total_trades,
    winning_trades, losing_trades, breakeven_trades, win_rate, gross_profit, gross_loss,
    net_profit, profit_factor, avg_win, avg_loss, largest_win, largest_loss, max_drawdown,
    max_drawdown_pct, current_drawdown, avg_leverage, max_leverage, avg_position_size,
    max_exposure, avg_holding_hours, shortest_holding_hours, longest_holding_hours,
    sharpe_ratio, sortino_ratio, calmar_ratio)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
        $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)
ON CONFLICT (bot_id, account, date) DO UPDATE SET
    starting_equity = excluded.starting_equity, ending_equity = excluded.ending_equity,
    cash_flow = excluded.cash_flow, total_trades = excluded.total_trades,
    winning_trades = excluded.winning_trades, losing_trades = excluded.losing_trades,
    breakeven_trades = excluded.breakeven_trades, win_rate = excluded.win_rate,
    gross_profit = excluded.gross_profit, gross_loss = excluded.gross_loss,
    net_profit = excluded.net_profit, profit_factor = excluded.profit_factor,
    avg_win = excluded.avg_win, avg_loss = excluded.avg_loss,
    largest_win = excluded.largest_win, largest_loss = excluded.largest_loss,
    max_drawdown = excluded.max_drawdown, max_drawdown_pct = excluded.max_drawdown_pct,
    current_drawdown = excluded.current_drawdown, avg_leverage = excluded.avg_leverage,
    max_leverage = excluded.max_leverage, avg_position_size = excluded.avg_position_size,
    max_exposure = excluded.max_exposure, avg_holding_hours = excluded.avg_holding_hours,
    shortest_holding_hours = excluded.shortest_holding_hours,
    longest_holding_hours = excluded.longest_holding_hours,
    sharpe_ratio = excluded.sharpe_ratio, sortino_ratio = excluded.sortino_ratio,
    calmar_ratio = excluded.calmar_ratio, calculated_at = clock_timestamp();

-- name: daily_results
-- What all these bots together have made of their equity, day by day before $2, as a fraction.
SELECT sum(daily_pnl) / sum(starting_equity) AS result
  FROM trading.risk_metrics
 WHERE bot_id = ANY ($1::text[]) AND date < $2
 GROUP BY date HAVING sum(starting_equity) > 0
 ORDER BY date;
