-- History from before the ledger: what the earlier bots and the earlier platform have written
-- down. It stands beside the ledger: nothing here is an execution, and nothing of the ledger is
-- computed from it. Append-only, so that what people see of it can be derived at any time.

-- One row per import that brought something; `report` is what it printed.
CREATE TABLE audit.imports (
    id          bigint PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('momentum', 'shortseller', 'lxalgo', 'platform')),
    source      text NOT NULL,
    sha256      text,
    report      jsonb NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Round trips. What the source does not say is NULL: an entry time, a price, a profit.
CREATE TABLE trading.imported_trades (
    kind             text NOT NULL,
    source_id        text NOT NULL, -- the row's own key in its source
    trade_id         text GENERATED ALWAYS AS (kind || ':' || source_id) STORED,
    account          text NOT NULL,
    bot_id           text NOT NULL,
    symbol           text NOT NULL,
    side             text NOT NULL CHECK (side IN ('long', 'short')),
    quantity         numeric(28, 12) CHECK (quantity > 0),
    entry_order_id   text,
    entry_price      numeric(28, 12),
    entry_time       timestamptz,
    entry_reason     text,
    entry_commission numeric(28, 12) NOT NULL,
    exit_order_id    text,
    exit_price       numeric(28, 12),
    exit_time        timestamptz,       -- NULL: still open when the source was read
    exit_reason      text,
    exit_commission  numeric(28, 12) NOT NULL,
    gross_pnl        numeric(28, 12),
    net_pnl          numeric(28, 12),   -- the source's own figure, never computed anew
    pnl_pct          numeric(14, 8),    -- a fraction of the entry value
    quality          text NOT NULL CHECK (quality IN ('entry_time_approx', 'estimated')),
    import_id        bigint NOT NULL REFERENCES audit.imports DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (kind, bot_id, source_id),
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots,
    CHECK (exit_time >= entry_time),
    CHECK (net_pnl IS NULL OR exit_time IS NOT NULL)
);
CREATE INDEX imported_trades_by_bot ON trading.imported_trades (bot_id, exit_time DESC);

-- Single fills and orders, as far as they are known to have been executed.
CREATE TABLE trading.imported_fills (
    kind            text NOT NULL,
    source_id       text NOT NULL,
    exec_id         text GENERATED ALWAYS AS ('legacy:' || source_id) STORED,
    account         text NOT NULL,
    bot_id          text NOT NULL,
    symbol          text NOT NULL,
    order_id        text,
    client_order_id text,
    side            text NOT NULL CHECK (side IN ('Buy', 'Sell')),
    exec_price      numeric(28, 12) NOT NULL CHECK (exec_price > 0),
    exec_qty        numeric(28, 12) NOT NULL CHECK (exec_qty > 0),
    exec_time       timestamptz NOT NULL,
    commission      numeric(28, 12) NOT NULL,
    close_reason    text,
    quality         text NOT NULL CHECK (quality IN ('exchange', 'estimated')),
    import_id       bigint NOT NULL REFERENCES audit.imports DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (kind, bot_id, source_id),
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots
);
CREATE INDEX imported_fills_by_bot ON trading.imported_fills (bot_id, exec_time DESC);

-- Everything else worth keeping: signals, balances, daily figures, events. Numbers, times and
-- words of a fixed vocabulary; never free text of another system.
CREATE TABLE trading.imported_records (
    kind         text NOT NULL,
    source_table text NOT NULL,
    source_id    text NOT NULL,
    account      text NOT NULL,
    bot_id       text NOT NULL,
    symbol       text,
    recorded_at  timestamptz,
    record       jsonb NOT NULL,
    import_id    bigint NOT NULL REFERENCES audit.imports DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (kind, bot_id, source_table, source_id),
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['audit.imports', 'trading.imported_trades',
                                'trading.imported_fills', 'trading.imported_records'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %s
                        FOR EACH ROW EXECUTE FUNCTION config.refuse_change()', name);
        EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON %s
                        FOR EACH STATEMENT EXECUTE FUNCTION config.refuse_change()', name);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER append_only', name);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER append_only_truncate', name);
    END LOOP;
END;
$$;

-- Every round trip that counts, once: the ledger's own, and imported ones with a known profit
-- which the ledger does not hold itself. The same order's execution in the ledger is proof that
-- it does; without an order id, that it has the symbol's executions from that time or before.
CREATE VIEW trading.round_trips AS
SELECT account, symbol, bot_id, trade_id, side, quantity, entry_order_id, entry_price, entry_time,
       entry_reason, entry_commission, exit_order_id, exit_price, exit_time, exit_reason,
       exit_commission, gross_pnl, funding, total_commission, net_pnl, pnl_pct,
       holding_duration_seconds, quality, source, entry_exec_id, exit_exec_id
  FROM trading.completed_trades
UNION ALL
SELECT t.account, t.symbol, t.bot_id, t.trade_id, t.side, t.quantity, t.trade_id, t.entry_price,
       t.entry_time, t.entry_reason, t.entry_commission, t.exit_order_id, t.exit_price,
       t.exit_time, t.exit_reason, t.exit_commission, t.gross_pnl, 0::numeric(28, 12),
       (t.entry_commission + t.exit_commission)::numeric(28, 12), t.net_pnl, t.pnl_pct,
       extract(epoch FROM t.exit_time - t.entry_time)::numeric(20, 3), t.quality, 'import',
       t.trade_id, t.trade_id
  FROM trading.imported_trades t
 WHERE t.net_pnl IS NOT NULL
   AND CASE WHEN t.exit_order_id IS NOT NULL
            THEN NOT EXISTS (SELECT FROM trading.executions e
                              WHERE e.account = t.account AND e.order_id = t.exit_order_id)
            ELSE NOT EXISTS (SELECT FROM trading.executions e
                              WHERE e.account = t.account AND e.symbol = t.symbol
                                AND e.exec_time <= t.exit_time) END;

CREATE OR REPLACE VIEW trading.trades_pnl AS
SELECT bot_id, account, symbol, side, entry_time, exit_time, entry_price, exit_price, quantity,
       gross_pnl, total_commission AS total_fees, funding, net_pnl,
       entry_reason, exit_reason AS close_reason, holding_duration_seconds AS holding_seconds,
       source, quality
  FROM trading.round_trips;

CREATE OR REPLACE VIEW trading.daily_trades AS
SELECT (exit_time AT TIME ZONE 'UTC')::date AS trade_date,
       bot_id, account, symbol, entry_order_id,
       sum(gross_pnl) AS gross_pnl,
       sum(total_commission) AS total_commission,
       sum(funding) AS funding,
       sum(net_pnl) AS net_pnl,
       max(exit_time) - min(entry_time) AS held,
       bool_or(quality <> 'exact') AS is_estimated
  FROM trading.round_trips
 GROUP BY 1, 2, 3, 4, 5;

-- `estimated`: trades of which not everything is known exactly.
CREATE OR REPLACE VIEW trading.completed_trades_summary AS
SELECT trade_date, bot_id, account, symbol,
       count(*) AS trades,
       count(*) FILTER (WHERE net_pnl > 0) AS wins,
       count(*) FILTER (WHERE net_pnl < 0) AS losses,
       count(*) FILTER (WHERE net_pnl = 0) AS breakeven,
       (count(*) FILTER (WHERE net_pnl > 0))::numeric / count(*) AS win_rate,
       sum(gross_pnl) AS gross_pnl,
       sum(total_commission) AS fees,
       sum(funding) AS funding,
       sum(net_pnl) AS net_pnl,
       avg(net_pnl) AS avg_pnl,
       max(net_pnl) AS best,
       min(net_pnl) AS worst,
       avg(extract(epoch FROM held)) AS avg_hold_seconds,
       count(*) FILTER (WHERE is_estimated) AS estimated
  FROM trading.daily_trades
 GROUP BY trade_date, bot_id, account, symbol;

-- As they were, over every round trip that counts.
CREATE OR REPLACE VIEW trading.exit_reason_analysis AS
SELECT bot_id, account, exit_reason,
       count(*) AS trades,
       count(*) FILTER (WHERE net_pnl > 0) AS wins,
       count(*) FILTER (WHERE net_pnl < 0) AS losses,
       count(*) FILTER (WHERE net_pnl = 0) AS breakeven,
       (count(*) FILTER (WHERE net_pnl > 0))::numeric / count(*) AS win_rate,
       sum(net_pnl) AS net_pnl,
       avg(net_pnl) AS avg_pnl,
       avg(extract(epoch FROM held)) / 60 AS avg_hold_minutes,
       sum(net_pnl) / nullif(sum(sum(net_pnl)) OVER (PARTITION BY bot_id, account), 0)
           AS share_of_pnl
  FROM (SELECT bot_id, account, exit_reason, sum(net_pnl) AS net_pnl,
               max(exit_time) - min(entry_time) AS held
          FROM trading.round_trips
         GROUP BY bot_id, account, symbol, coalesce(nullif(entry_order_id, ''), entry_exec_id),
                  exit_reason) trades
 GROUP BY bot_id, account, exit_reason;

CREATE OR REPLACE VIEW analytics.symbol_performance AS
SELECT bot_id, account, symbol,
       count(*) AS trades,
       count(*) FILTER (WHERE net_pnl > 0) AS wins,
       count(*) FILTER (WHERE net_pnl < 0) AS losses,
       count(*) FILTER (WHERE net_pnl = 0) AS breakeven,
       (count(*) FILTER (WHERE net_pnl > 0))::numeric / count(*) AS win_rate,
       coalesce(sum(net_pnl) FILTER (WHERE net_pnl > 0), 0) AS gross_profit,
       coalesce(-sum(net_pnl) FILTER (WHERE net_pnl < 0), 0) AS gross_loss,
       sum(net_pnl) FILTER (WHERE net_pnl > 0)
           / nullif(-sum(net_pnl) FILTER (WHERE net_pnl < 0), 0) AS profit_factor,
       sum(volume) AS volume,
       sum(fees) AS fees,
       sum(funding) AS funding,
       sum(net_pnl) AS net_pnl,
       avg(net_pnl) AS avg_pnl,
       max(net_pnl) AS best,
       min(net_pnl) AS worst,
       avg(extract(epoch FROM held)) AS avg_hold_seconds,
       max(last_exit) AS last_exit
  FROM (SELECT bot_id, account, symbol, sum(net_pnl) AS net_pnl, sum(total_commission) AS fees,
               sum(funding) AS funding, sum(quantity * (entry_price + exit_price)) AS volume,
               max(exit_time) - min(entry_time) AS held, max(exit_time) AS last_exit
          FROM trading.round_trips
         GROUP BY bot_id, account, symbol, coalesce(nullif(entry_order_id, ''), entry_exec_id)
       ) trades
 GROUP BY bot_id, account, symbol;
