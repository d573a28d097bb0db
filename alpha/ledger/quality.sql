-- What must hold of everything that is stored. Each check lists what breaks it, one row each: `n`
-- of them, and `example` names it. $1: what happened before is left out.

-- name: counted
-- Around each check: how many there are, and a few of them.
WITH faults AS MATERIALIZED (%s)
SELECT coalesce((SELECT sum(n) FROM faults), 0)::bigint AS found,
       ARRAY(SELECT example FROM faults ORDER BY example LIMIT 5) AS examples;

-- name: limit
-- Simple protocol. One moment for all tables, and nothing held up for long.
SET LOCAL lock_timeout = '2s';
SET LOCAL statement_timeout = '%ss';

-- name: save_spans
INSERT INTO trading.candle_spans AS s (symbol, interval, since, until, bar_ms)
SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::bigint[])
ON CONFLICT (symbol, interval, since) DO UPDATE SET until = excluded.until
 WHERE excluded.until > s.until;

-- name: forget_spans
-- Short ones whose candles are older than $1 days, and have gone.
DELETE FROM trading.candle_spans
 WHERE bar_ms < 3600000
   AND until < (SELECT max(until) FROM trading.candle_spans) - $1::integer * interval '1 day';

-- name: missing_candles
-- $2: days for which short candles are kept. A few may be missing, $3.
WITH newest AS (
    SELECT max(until) - $2::integer * interval '1 day' AS kept FROM trading.candle_spans),
wanted AS (
    SELECT symbol, interval, until, bar_ms,
           since + ceil(extract(epoch FROM greatest(
                       $1::timestamptz, since,
                       CASE WHEN bar_ms < 3600000 THEN kept END) - since)
                   * 1000 / bar_ms) * bar_ms * interval '1 ms' AS since
      FROM trading.candle_spans, newest),
short AS (
    SELECT w.*
      FROM wanted w
     CROSS JOIN LATERAL (
           SELECT count(*) AS stored
             FROM trading.market_data m
            WHERE m.exchange = 'bybit' AND m.symbol = w.symbol AND m.interval = w.interval
              AND m.timestamp >= w.since AND m.timestamp <= w.until) c
     WHERE c.stored * w.bar_ms < extract(epoch FROM w.until - w.since) * 1000 + w.bar_ms)
SELECT count(DISTINCT t.at) AS n,
       format('%s %s: %s missing from %s', s.symbol, s.interval, count(DISTINCT t.at),
              to_char(min(t.at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"')) AS example
  FROM short s
 CROSS JOIN LATERAL generate_series(s.since, s.until, s.bar_ms * interval '1 ms') t(at)
 WHERE NOT EXISTS (SELECT FROM trading.market_data m
                    WHERE m.exchange = 'bybit' AND m.symbol = s.symbol
                      AND m.interval = s.interval AND m.timestamp = t.at OFFSET 0)
 GROUP BY s.symbol, s.interval
HAVING count(DISTINCT t.at) > $3::integer;

-- name: orphan_fills
-- Fills and funding that name no row of the ledger, or no bot.
SELECT 1 AS n, format('%s %s %s of %s', f.what, f.exec_id, f.symbol, f.bot_id) AS example
  FROM (SELECT 'fill' AS what, account, symbol, exec_id, bot_id FROM trading.fills
         WHERE exec_time >= $1::timestamptz
        UNION ALL
        SELECT 'funding', p.account, p.symbol, p.exec_id, p.bot_id
          FROM trading.bots b
          JOIN trading.funding_payments p ON p.bot_id = b.bot_id AND p.account = b.account
           AND p.exec_time >= $1) f
 WHERE (NOT EXISTS (SELECT FROM trading.executions e
                     WHERE e.account = f.account AND e.symbol = f.symbol
                       AND e.exec_id = f.exec_id)
        AND NOT EXISTS (SELECT FROM trading.adjustments a
                         WHERE a.account = f.account AND a.symbol = f.symbol
                           AND a.exec_id = f.exec_id))
    OR NOT EXISTS (SELECT FROM trading.bots b
                    WHERE b.bot_id = f.bot_id AND b.account = f.account);

-- name: orphan_positions
-- Lots and positions that no fill of the ledger has opened.
SELECT 1 AS n, format('%s %s %s of %s', p.what, p.exec_id, p.symbol, p.bot_id) AS example
  FROM (SELECT 'lot' AS what, l.account, l.symbol, l.exec_id, l.bot_id
          FROM trading.accounts a
          JOIN trading.position_entries l ON l.account = a.account
           AND l.entry_time >= $1::timestamptz
         UNION
        SELECT 'lot', account, symbol, exec_id, bot_id
          FROM trading.position_entries WHERE remaining_qty > 0
         UNION
        SELECT 'position', p.account, p.symbol, p.opened_by, p.bot_id
          FROM trading.accounts a
          JOIN trading.positions p ON p.account = a.account AND p.opened_at >= $1
         UNION
        SELECT 'position', account, symbol, opened_by, bot_id
          FROM trading.positions WHERE closed_at IS NULL) p
 WHERE NOT EXISTS (SELECT FROM trading.fills f
                    WHERE f.account = p.account AND f.symbol = p.symbol AND f.exec_id = p.exec_id
                      AND f.bot_id = p.bot_id AND f.effect = 'entry');

-- name: orphan_round_trips
-- Round trips without the fill that opened or the one that closed them.
SELECT 1 AS n, format('round trip %s', t.trade_id) AS example
  FROM trading.bots b
  JOIN trading.completed_trades t ON t.bot_id = b.bot_id AND t.account = b.account
   AND t.exit_time >= $1::timestamptz
 WHERE NOT EXISTS (SELECT FROM trading.fills f
                    WHERE f.account = t.account AND f.symbol = t.symbol
                      AND f.exec_id = t.entry_exec_id AND f.bot_id = t.bot_id)
    OR NOT EXISTS (SELECT FROM trading.fills f
                    WHERE f.account = t.account AND f.symbol = t.symbol
                      AND f.exec_id = t.exit_exec_id AND f.bot_id = t.bot_id);

-- name: orphan_orders
-- Orders and signals of a bot that is not there.
SELECT 1 AS n, format('%s %s of %s', o.what, o.id, o.bot_id) AS example
  FROM (SELECT 'order' AS what, account, order_link_id AS id, bot_id FROM trading.orders
         WHERE decided_at >= $1::timestamptz
        UNION ALL
        SELECT 'signal', account, ordinal || '/' || place, bot_id FROM trading.signals
         WHERE timestamp >= $1) o
 WHERE NOT EXISTS (SELECT FROM trading.bots b
                    WHERE b.bot_id = o.bot_id AND b.account = o.account);

-- name: orphan_signals
-- Signals that became an order which is not there.
SELECT 1 AS n, format('signal %s/%s of %s: no order %s', s.ordinal, s.place, s.bot_id,
                      s.order_link_id) AS example
  FROM trading.bots b
  JOIN trading.signals s ON s.bot_id = b.bot_id AND s.account = b.account
   AND s.timestamp >= $1::timestamptz
 WHERE s.order_link_id IS NOT NULL
   AND NOT EXISTS (SELECT FROM trading.orders o
                    WHERE o.account = s.account AND o.order_link_id = s.order_link_id);

-- name: duplicate_executions
-- One execution of the exchange under several symbols.
SELECT 1 AS n, format('execution %s of %s under %s', e.exec_id, e.account,
                      string_agg(e.symbol, ', ' ORDER BY e.symbol)) AS example
  FROM trading.accounts a
  JOIN trading.executions e ON e.account = a.account AND e.exec_time >= $1::timestamptz
 GROUP BY e.account, e.exec_id
HAVING count(*) > 1;

-- name: duplicate_orders
-- One order of the exchange in several rows.
SELECT 1 AS n, format('order %s of %s: %s', exchange_order_id, account,
                      string_agg(order_link_id, ', ' ORDER BY order_link_id)) AS example
  FROM trading.orders
 WHERE decided_at >= $1::timestamptz AND exchange_order_id <> ''
 GROUP BY account, exchange_order_id
HAVING count(*) > 1;

-- name: duplicate_fills
-- Two fills with one number.
SELECT 1 AS n, format('fill %s: %s', id, string_agg(exec_id, ', ' ORDER BY exec_id)) AS example
  FROM trading.fills
 WHERE exec_time >= $1::timestamptz
 GROUP BY id
HAVING count(*) > 1;

-- name: missing_fields
-- What has to be known by then.
SELECT 1 AS n, example
  FROM (SELECT format('order %s: filled, without %s', o.order_link_id,
                      CASE WHEN o.exchange_order_id IS NULL THEN 'its id of the exchange'
                           ELSE 'a price' END) AS example
          FROM trading.orders o
         WHERE o.decided_at >= $1::timestamptz AND o.state = 'filled'
           AND (o.exchange_order_id IS NULL OR o.avg_fill_price IS NULL)
        UNION ALL
        SELECT format('position %s: closed, without a reason', p.position_id)
          FROM trading.accounts a
          JOIN trading.positions p ON p.account = a.account AND p.opened_at >= $1
         WHERE p.closed_at IS NOT NULL AND p.exit_reason IS NULL
        UNION ALL
        SELECT format('fill %s of %s: without a reason or a currency', f.exec_id, f.bot_id)
          FROM trading.fills f
         WHERE f.exec_time >= $1 AND (f.reason = '' OR f.fee_currency = '')
        UNION ALL
        SELECT format('round trip %s: without a result', t.trade_id)
          FROM trading.bots b
          JOIN trading.completed_trades t ON t.bot_id = b.bot_id AND t.account = b.account
           AND t.exit_time >= $1
         WHERE t.net_pnl IS NULL OR t.exit_reason = ''
        UNION ALL
        SELECT format('signal %s/%s of %s: executed, without a time', s.ordinal, s.place, s.bot_id)
          FROM trading.bots b
          JOIN trading.signals s ON s.bot_id = b.bot_id AND s.account = b.account
           AND s.timestamp >= $1
         WHERE s.executed AND s.execution_time IS NULL) found;

-- name: execution_shares
-- Executions whose fills, or funding, do not come to all of their quantity and fee. $2: of these
-- types become fills, of $3 funding.
SELECT 1 AS n, format('%s %s %s: quantity %s of %s, fee %s of %s', e.exec_type, e.exec_id, e.symbol,
                      trim_scale(s.qty), trim_scale(e.qty), trim_scale(s.fee), trim_scale(e.fee))
               AS example
  FROM trading.accounts a
  JOIN trading.executions e ON e.account = a.account AND e.exec_time >= $1::timestamptz
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(f.exec_qty), 0) AS qty, coalesce(sum(f.commission), 0) AS fee
         FROM trading.fills f
        WHERE e.exec_type = ANY ($2::text[]) AND f.account = e.account AND f.symbol = e.symbol
          AND f.exec_id = e.exec_id
       HAVING e.exec_type = ANY ($2)
        UNION ALL
       SELECT e.qty, coalesce(-sum(p.amount), 0)
         FROM trading.funding_payments p
        WHERE e.exec_type = ANY ($3::text[]) AND p.account = e.account AND p.symbol = e.symbol
          AND p.exec_id = e.exec_id
       HAVING e.exec_type = ANY ($3)) s
 WHERE s.qty <> e.qty OR s.fee <> e.fee;

-- name: round_trip_shares
-- Closing fills whose round trips do not come to their quantity.
SELECT 1 AS n, format('fill %s %s of %s: round trips %s of %s', f.exec_id, f.symbol, f.bot_id,
                      trim_scale(t.qty), trim_scale(f.exec_qty)) AS example
  FROM trading.fills f
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(c.quantity), 0) AS qty FROM trading.completed_trades c
        WHERE c.account = f.account AND c.symbol = f.symbol AND c.exit_time = f.exec_time
          AND c.exit_exec_id = f.exec_id AND c.bot_id = f.bot_id) t
 WHERE f.exec_time >= $1::timestamptz AND f.effect = 'exit' AND t.qty <> f.exec_qty;

-- name: lots_and_positions
-- Open lots that do not come to the open position, or lie on both sides.
SELECT 1 AS n, format('%s of %s: lots %s, position %s',
                      coalesce(l.symbol, p.symbol), coalesce(l.bot_id, p.bot_id),
                      coalesce(trim_scale(l.qty), 0), coalesce(trim_scale(p.qty), 0)) AS example
  FROM (SELECT account, symbol, bot_id, count(DISTINCT side) AS sides,
               sum(CASE side WHEN 'long' THEN remaining_qty ELSE -remaining_qty END) AS qty
          FROM trading.position_entries WHERE remaining_qty > 0
         GROUP BY account, symbol, bot_id) l
  FULL JOIN (SELECT account, symbol, bot_id,
                    CASE side WHEN 'long' THEN size ELSE -size END AS qty
               FROM trading.positions WHERE closed_at IS NULL) p
    ON p.account = l.account AND p.symbol = l.symbol AND p.bot_id = l.bot_id
 WHERE l.qty IS DISTINCT FROM p.qty OR l.sides > 1;

-- name: fills_and_lots
-- Fills that do not add up to what is open.
SELECT 1 AS n, format('%s of %s: fills %s, lots %s',
                      coalesce(f.symbol, l.symbol), coalesce(f.bot_id, l.bot_id),
                      coalesce(trim_scale(f.qty), 0), coalesce(trim_scale(l.qty), 0)) AS example
  FROM (SELECT account, symbol, bot_id,
               sum(CASE side WHEN 'Buy' THEN exec_qty ELSE -exec_qty END) AS qty
          FROM trading.fills GROUP BY account, symbol, bot_id) f
  FULL JOIN (SELECT account, symbol, bot_id,
                    sum(CASE side WHEN 'long' THEN remaining_qty ELSE -remaining_qty END) AS qty
               FROM trading.position_entries WHERE remaining_qty > 0
              GROUP BY account, symbol, bot_id) l
    ON l.account = f.account AND l.symbol = f.symbol AND l.bot_id = f.bot_id
 WHERE coalesce(f.qty, 0) <> coalesce(l.qty, 0);

-- name: bot_equity
-- Bots whose equity is not that of their newest balance, without a fill since that was written: those
-- without an open position, and those that a clean stop has left, as it writes both at one price.
-- $1: USDT that it may differ by, $2: the reason of such a stop.
SELECT 1 AS n, format('%s: equity %s, newest balance %s', b.bot_id, trim_scale(b.current_equity),
                      trim_scale(x.equity)) AS example
  FROM trading.bots b
 CROSS JOIN LATERAL (
       SELECT y.equity, y.timestamp, y.created_at FROM trading.account_balance y
        WHERE y.account = b.account AND y.bot_id = b.bot_id
        ORDER BY y.timestamp DESC, y.id DESC LIMIT 1) x
 WHERE b.bot_id <> 'manual' AND b.process_heartbeat >= x.created_at
   AND abs(b.current_equity - x.equity) > $1::numeric
   AND ((b.status = 'disabled' AND b.status_reason = $2)
        OR NOT EXISTS (SELECT FROM trading.positions p
                        WHERE p.account = b.account AND p.bot_id = b.bot_id
                          AND p.closed_at IS NULL))
   AND NOT EXISTS (SELECT FROM trading.fills f
                    WHERE f.bot_id = b.bot_id AND f.account = b.account
                      AND f.exec_time >= x.timestamp)
   AND NOT EXISTS (SELECT FROM trading.funding_payments f
                    WHERE f.bot_id = b.bot_id AND f.account = b.account
                      AND f.exec_time >= x.timestamp);

-- name: ledger_cash
-- Accounts whose wallet, from one word of the exchange on it to a later one, has not moved by what
-- the ledger and known transfers come to. Only words count at which nothing was open, as nobody
-- realises profits alike before that, and which nothing was traded near to. $1: USDT that it may
-- differ by, $2: or this fraction of the wallet.
WITH calm AS NOT MATERIALIZED (
    SELECT w.account, w.id, w.timestamp, w.total_balance, w.created_at
      FROM trading.account_balance w
     WHERE w.bot_id IS NULL AND w.source IN ('stream', 'rest') AND w.amount IS NULL
       AND NOT EXISTS (SELECT FROM trading.executions e
                        WHERE e.account = w.account
                          AND e.exec_time >= w.timestamp - interval '30 s'
                          AND e.exec_time <= w.timestamp + interval '30 s' OFFSET 0)
       AND NOT EXISTS (SELECT FROM trading.positions p
                        WHERE p.account = w.account AND p.opened_at <= w.timestamp
                          AND (p.closed_at IS NULL OR p.closed_at >= w.timestamp) OFFSET 0)),
ends AS (
    SELECT a.account, f.timestamp AS since, f.total_balance AS opening,
           l.timestamp AS until, l.total_balance AS closing
      FROM trading.accounts a
     CROSS JOIN LATERAL (SELECT * FROM calm c WHERE c.account = a.account
                          ORDER BY c.timestamp, c.id LIMIT 1) f
     -- A transfer has its row by then.
     CROSS JOIN LATERAL (SELECT * FROM calm c
                          WHERE c.account = a.account
                            AND c.created_at < clock_timestamp() - interval '2 min'
                          ORDER BY c.timestamp DESC, c.id DESC LIMIT 1) l)
SELECT 1 AS n, format('%s: wallet %s, ledger %s', e.account, trim_scale(e.closing),
                      trim_scale(e.opening + m.moved)) AS example
  FROM ends e
 CROSS JOIN LATERAL (
       SELECT coalesce((SELECT sum(realised - commission) FROM trading.fills f
                         WHERE f.account = e.account AND f.exec_time > e.since
                           AND f.exec_time <= e.until), 0)
            + coalesce((SELECT sum(amount) FROM trading.funding_payments p
                         WHERE p.account = e.account AND p.exec_time > e.since
                           AND p.exec_time <= e.until), 0)
            + coalesce((SELECT sum(amount) FROM trading.account_balance t
                         WHERE t.account = e.account AND t.bot_id IS NULL
                           AND t.timestamp > e.since AND t.timestamp <= e.until), 0) AS moved) m
 WHERE e.until > e.since
   AND abs(e.closing - e.opening - m.moved) > greatest($1::numeric, $2::numeric * abs(e.closing));

-- name: wallet_audit
-- Accounts whose newest audit of the wallet has found a difference.
SELECT 1 AS n, format('%s: %s USDT at %s', w.account, trim_scale(w.difference),
                      to_char(w.until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"')) AS example
  FROM trading.accounts a
 CROSS JOIN LATERAL (SELECT * FROM trading.wallet_audits x WHERE x.account = a.account
                      ORDER BY x.id DESC LIMIT 1) w
 WHERE w.difference <> 0;
