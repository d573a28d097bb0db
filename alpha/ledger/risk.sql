-- Portfolio limits: anchors, what is in force, what has happened.

-- name: anchors
SELECT scope, subject, accounts, account, bot_id, day - DATE 'epoch' AS day, day_equity, day_result,
       (week - DATE 'epoch' + 3) / 7 AS week, week_equity, week_result, peak_equity, peak_result,
       seen_at, equity, result, coalesce(began_at, date_trunc('day', seen_at, 'UTC')) AS began_at,
       earlier_cash, earlier_held
  FROM trading.risk_anchors
 WHERE accounts && $1::text[];

-- name: earlier
-- What trades, fees and funding of an account have moved before the last of the moments $2 ($3), by bot
-- and symbol, and by the first of the moments (they ascend) that it was before: in one go, however many.
SELECT bot_id, symbol, ($2::timestamptz[])[1 + width_bucket(exec_time, $2::timestamptz[])] AS before,
       sum(cash) AS cash, sum(qty) AS qty
  FROM (SELECT bot_id, symbol, exec_time,
               CASE side WHEN 'Buy' THEN -exec_value ELSE exec_value END - commission AS cash,
               CASE side WHEN 'Buy' THEN exec_qty ELSE -exec_qty END AS qty
          FROM trading.fills
         WHERE account = $1 AND exec_time < $3
         UNION ALL
        SELECT bot_id, symbol, exec_time, amount, 0
          FROM trading.funding_payments
         WHERE account = $1 AND exec_time < $3
       ) AS moved
 GROUP BY 1, 2, 3;

-- name: last_prices
-- The newest that was traded of each symbol of an account, the newest of all last.
SELECT a.account, a.symbol, f.exec_price
  FROM unnest($1::text[], $2::text[]) AS a(account, symbol)
 CROSS JOIN LATERAL (SELECT exec_price, exec_time FROM trading.fills
                      WHERE account = a.account AND symbol = a.symbol
                      ORDER BY exec_time DESC LIMIT 1) f
 ORDER BY f.exec_time;

-- name: state
-- What is in force. What holds for everything holds for each account that was part of it then.
SELECT scope, subject, limit_name, action, value, limit_value, since, noticed_at, why, operator,
       breach_id::text AS breach_id
  FROM trading.risk_state
 WHERE in_force AND accounts && $1::text[]
 ORDER BY scope, subject, limit_name;

-- name: entries
-- Entries of bots within the minute before the newest, by the exchange's clock.
SELECT account, bot_id, decided_at
  FROM trading.orders
 WHERE account = ANY($1::text[]) AND purpose = 'entry' AND client_order_id IS NOT NULL
   AND decided_at > (SELECT max(decided_at) FROM trading.orders WHERE account = ANY($1::text[]))
                    - interval '1 minute'
 ORDER BY decided_at;

-- name: save_bot_limits
UPDATE trading.bots
   SET max_positions = $3, leverage_limit = $4, max_daily_loss_pct = $5,
       max_weekly_loss_pct = $6, max_drawdown_pct = $7
 WHERE bot_id = $1 AND account = $2;

-- name: save_anchors
INSERT INTO trading.risk_anchors (
    scope, subject, accounts, account, bot_id, day, day_equity, day_result, week, week_equity,
    week_result, peak_equity, peak_result, seen_at, equity, result, began_at, earlier_cash,
    earlier_held)
VALUES ($1, $2, $3, $4, $5, DATE 'epoch' + $6::integer, $7, $8, DATE 'epoch' + $9::integer * 7 - 3,
        $10, $11, $12, $13, $14, $15, $16, $17, $18, $19::text::jsonb)
ON CONFLICT (scope, subject) DO UPDATE SET
    accounts = excluded.accounts, day = excluded.day, day_equity = excluded.day_equity,
    day_result = excluded.day_result, week = excluded.week, week_equity = excluded.week_equity,
    week_result = excluded.week_result, peak_equity = excluded.peak_equity,
    peak_result = excluded.peak_result, seen_at = excluded.seen_at, equity = excluded.equity,
    result = excluded.result, began_at = excluded.began_at, earlier_cash = excluded.earlier_cash,
    earlier_held = excluded.earlier_held;

-- name: save_state
INSERT INTO trading.risk_state (
    scope, subject, limit_name, accounts, account, bot_id, in_force, action, value, limit_value,
    since, noticed_at, why, operator, breach_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::text::uuid)
ON CONFLICT (scope, subject, limit_name) DO UPDATE SET
    accounts = excluded.accounts, in_force = excluded.in_force, action = excluded.action,
    value = excluded.value, limit_value = excluded.limit_value, since = excluded.since,
    noticed_at = excluded.noticed_at, why = excluded.why, operator = excluded.operator,
    breach_id = excluded.breach_id;

-- name: end_elsewhere
-- The same word under other names of everything: a daemon with other accounts has said it. For
-- accounts that are not part of this one it stays in force.
UPDATE trading.risk_state
   SET in_force = NOT accounts <@ $3::text[],
       accounts = CASE WHEN accounts <@ $3::text[] THEN accounts ELSE ARRAY(
           SELECT unnest(accounts) EXCEPT SELECT unnest($3::text[]) ORDER BY 1) END
 WHERE scope = 'overall' AND subject <> $1 AND limit_name = $2 AND accounts && $3::text[]
   AND in_force;

-- name: save_event
INSERT INTO audit.risk_events (
    event_id, event_time, event, breach_id, scope, account, bot_id, risk_type, current_value,
    limit_value, share_used, action_taken, positions_affected, trades_cancelled, operator, notes)
VALUES ($1::text::uuid, $2, $3, $4::text::uuid, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
        $16)
ON CONFLICT (event_id) DO NOTHING;

