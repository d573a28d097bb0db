-- What bots asked for, before anything was sent, and what became of it; orders with their latencies.

ALTER TABLE trading.orders
    ADD COLUMN retry_count integer NOT NULL DEFAULT 0 CHECK (retry_count >= 0),
    ADD COLUMN rejected_by text;

-- One row per intent of a decision, written with it in one transaction. One that was refused at
-- once has no order id and is complete. Of the others everything from `rejected_by` on is computed
-- from orders and round trips (trading.signal_results), and may be computed again at any time.
CREATE TABLE trading.signals (
    account                 text NOT NULL,
    bot_id                  text NOT NULL,
    ordinal                 bigint NOT NULL,   -- of the decision in config.decisions
    place                   smallint NOT NULL CHECK (place >= 0), -- among its intents
    signal_id               text GENERATED ALWAYS AS
        (bot_id || ':' || ordinal::text || ':' || place::text) STORED,
    event_key               text NOT NULL,
    origin                  text NOT NULL CHECK (origin IN ('strategy', 'host')),
    symbol                  text NOT NULL,
    signal_type             text NOT NULL
        CHECK (signal_type IN ('long', 'short', 'close_long', 'close_short', 'close', 'move_stop')),
    reason                  text NOT NULL,
    price                   numeric(28, 12),
    suggested_position_size numeric(28, 12),   -- USDT
    suggested_stop_loss     numeric(28, 12),
    suggested_take_profit   numeric(28, 12),
    indicators              jsonb NOT NULL DEFAULT '{}',
    replayed                boolean NOT NULL,
    timestamp               timestamptz NOT NULL, -- the event's time, the exchange's clock
    decided_at              timestamptz NOT NULL, -- wall time
    order_link_id           text,
    client_order_id         text,
    rejected_by             text,
    rejection_reason        text,
    rejected                boolean NOT NULL DEFAULT false,
    executed                boolean NOT NULL DEFAULT false,
    sent_at                 timestamptz,
    acked_at                timestamptz,
    filled_at               timestamptz,
    execution_time          timestamptz,       -- of its first execution, the exchange's clock
    sent_ms                 numeric(20, 3) GENERATED ALWAYS AS
        (extract(epoch FROM sent_at - decided_at) * 1000) STORED,
    acked_ms                numeric(20, 3) GENERATED ALWAYS AS
        (extract(epoch FROM acked_at - decided_at) * 1000) STORED,
    filled_ms               numeric(20, 3) GENERATED ALWAYS AS
        (extract(epoch FROM filled_at - decided_at) * 1000) STORED,
    outcome                 text
        CHECK (outcome IN ('winner', 'loser', 'breakeven', 'not_executed')),
    outcome_pnl             numeric(28, 12),
    settled                 boolean NOT NULL DEFAULT false, -- nothing more is expected of it
    created_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (bot_id, account, ordinal, place),
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots,
    CHECK (rejected_by IS NULL OR rejected)
);
CREATE INDEX signals_by_bot ON trading.signals (bot_id, timestamp DESC);
CREATE INDEX signals_by_symbol ON trading.signals (account, symbol, timestamp DESC);
CREATE INDEX signals_by_order ON trading.signals (account, order_link_id)
    WHERE order_link_id IS NOT NULL;
CREATE INDEX signals_open ON trading.signals (account, timestamp) WHERE NOT settled;
CREATE TRIGGER touch BEFORE UPDATE ON trading.signals
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();

-- The life of each order of ours, from the stored times alone. `first_fill_at` is when the first
-- execution came over the stream; one that REST has brought says nothing of that. Milliseconds of
-- wall time; `submitted_at` is the last attempt of `retry_count` + 1.
CREATE VIEW trading.order_latencies AS
SELECT o.account, o.bot_id, o.symbol, o.side, o.purpose, o.reason, o.order_link_id,
       o.client_order_id, o.exchange_order_id, o.state, o.qty, o.filled_qty,
       o.decided_at AS event_time,
       o.sent_at AS submitted_at, o.acked_at, f.first_fill_at, o.terminal_at,
       extract(epoch FROM o.acked_at - o.sent_at) * 1000 AS ack_ms,
       extract(epoch FROM f.first_fill_at - o.sent_at) * 1000 AS first_fill_ms,
       extract(epoch FROM o.terminal_at - o.sent_at) * 1000 AS terminal_ms,
       o.retry_count, o.reject_code AS error_code, o.rejected_by, o.reject_reason
  FROM trading.orders o
  LEFT JOIN LATERAL (
        SELECT min(e.received_at) AS first_fill_at
          FROM trading.executions e
         WHERE e.account = o.account AND e.order_id = o.exchange_order_id
           AND e.source IN ('stream', 'paper')) f ON true
 WHERE o.client_order_id IS NOT NULL;

-- What became of each signal. An entry is settled once all that it has opened is closed, an exit
-- once its order is over; the result is net of fees, with funding.
CREATE VIEW trading.signal_results AS
SELECT s.account, s.bot_id, s.ordinal, s.place, s.symbol, s.timestamp, s.settled AS was_settled,
       CASE WHEN d.is_refused THEN s.rejected_by
            WHEN d.is_vain THEN coalesce(o.rejected_by, 'exchange') END AS rejected_by,
       CASE WHEN d.is_refused THEN s.rejection_reason
            WHEN d.is_vain THEN o.reject_reason END AS rejection_reason,
       d.is_refused OR d.is_vain AS rejected,
       d.is_executed AS executed,
       o.sent_at, o.acked_at, e.filled_at, f.execution_time,
       CASE WHEN d.is_refused THEN 'not_executed'
            WHEN NOT d.is_over OR NOT d.is_closed THEN NULL
            WHEN NOT d.is_executed THEN 'not_executed'
            WHEN t.net_pnl > 0 THEN 'winner'
            WHEN t.net_pnl < 0 THEN 'loser'
            WHEN t.net_pnl = 0 THEN 'breakeven' END AS outcome,
       CASE WHEN d.is_over AND d.is_closed THEN t.net_pnl END AS outcome_pnl,
       d.is_refused OR s.order_link_id IS NULL OR (d.is_over AND d.is_closed) AS settled
  FROM trading.signals s
  LEFT JOIN trading.orders o ON o.account = s.account AND o.order_link_id = s.order_link_id
  LEFT JOIN LATERAL (
        SELECT sum(x.exec_qty) AS qty, min(x.exec_time) AS execution_time
          FROM trading.fills x
         WHERE x.account = o.account AND x.order_id = o.exchange_order_id
           AND x.bot_id = s.bot_id) f ON true
  LEFT JOIN LATERAL (
        SELECT min(x.received_at) AS filled_at
          FROM trading.executions x
         WHERE x.account = o.account AND x.order_id = o.exchange_order_id
           AND x.source IN ('stream', 'paper')) e ON true
  LEFT JOIN LATERAL (
        SELECT CASE WHEN x.effect = 'entry' THEN sum(r.net_pnl) ELSE sum(c.net_pnl) END AS net_pnl,
               bool_and(coalesce(p.remaining_qty, 0) = 0) AS is_closed
          FROM trading.fills x
          LEFT JOIN trading.position_entries p
            ON x.effect = 'entry' AND p.account = x.account AND p.symbol = x.symbol
           AND p.exec_id = x.exec_id AND p.bot_id = x.bot_id
          LEFT JOIN LATERAL (
                SELECT sum(y.net_pnl) AS net_pnl
                  FROM trading.completed_trades y
                 WHERE y.account = x.account AND y.symbol = x.symbol
                   AND y.entry_exec_id = x.exec_id AND y.bot_id = x.bot_id) r
            ON x.effect = 'entry'
          LEFT JOIN LATERAL (
                SELECT sum(y.net_pnl) AS net_pnl
                  FROM trading.completed_trades y
                 WHERE y.account = x.account AND y.symbol = x.symbol
                   AND y.exit_time = x.exec_time AND y.exit_exec_id = x.exec_id
                   AND y.bot_id = x.bot_id) c
            ON x.effect = 'exit'
         WHERE x.account = o.account AND x.order_id = o.exchange_order_id
           AND x.bot_id = s.bot_id
           AND x.effect = CASE WHEN s.signal_type IN ('long', 'short')
                               THEN 'entry' ELSE 'exit' END
         GROUP BY x.effect) t ON true
  CROSS JOIN LATERAL (
        SELECT s.order_link_id IS NULL AND s.rejected_by IS NOT NULL AS is_refused,
               coalesce(f.qty, 0) > 0 AS is_executed,
               coalesce(o.state IN ('never_accepted', 'rejected', 'deactivated', 'cancelled',
                                    'filled')
                        AND coalesce(f.qty, 0) >= o.filled_qty, false) AS is_over,
               coalesce(o.state IN ('never_accepted', 'rejected', 'deactivated', 'cancelled')
                        AND coalesce(f.qty, 0) = 0 AND o.filled_qty = 0, false) AS is_vain,
               coalesce(t.is_closed, true) AS is_closed) d;
