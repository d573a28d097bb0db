-- Balances and equity over time, pictures of the whole, and the settings that bots have run with.

-- Of an account as the exchange tells it, and of each bot: what it may call its own. `timestamp` is
-- the exchange's clock.
ALTER TABLE trading.account_balance
    ADD COLUMN bot_id         text,   -- NULL: the whole account
    ADD COLUMN snapshot_type  text NOT NULL DEFAULT 'periodic'
        CHECK (snapshot_type IN ('initial', 'periodic', 'wallet', 'trade_open', 'trade_close',
                                 'deposit', 'withdrawal', 'manual')),
    ADD COLUMN margin_used    numeric(20, 8),
    ADD COLUMN margin_level   numeric(14, 8) GENERATED ALWAYS AS
        (CASE WHEN margin_used > 0 AND equity / margin_used < 1000000
              THEN equity / margin_used END) STORED,
    ADD COLUMN unrealized_pnl numeric(20, 8) GENERATED ALWAYS AS (equity - total_balance) STORED,
    ADD COLUMN realized_pnl   numeric(20, 8), -- of a bot: net of all its round trips so far
    ADD COLUMN amount         numeric(20, 8), -- of a deposit, or of a withdrawal (< 0)
    ADD COLUMN position_id    text,           -- that was opened or closed
    ADD FOREIGN KEY (bot_id, account) REFERENCES trading.bots,
    ADD CHECK ((amount IS NOT NULL) = (snapshot_type IN ('deposit', 'withdrawal'))),
    DROP CONSTRAINT account_balance_source_check,
    ADD CONSTRAINT account_balance_source_check CHECK (source IN ('stream', 'rest', 'books'));
CREATE INDEX account_balance_by_bot ON trading.account_balance (account, bot_id, timestamp DESC);
CREATE INDEX account_balance_brin ON trading.account_balance USING brin (timestamp);
CREATE INDEX account_balance_flows ON trading.account_balance (account, bot_id, timestamp)
    WHERE amount IS NOT NULL;
CREATE UNIQUE INDEX account_balance_once
    ON trading.account_balance (account, bot_id, position_id, snapshot_type)
    WHERE position_id IS NOT NULL;

-- Equity of each bot, with the money that came in or went out taken off: what falls here was lost.
CREATE VIEW trading.equity_history AS
SELECT b.account, b.bot_id, b.id, b.timestamp, b.equity,
       b.equity - coalesce(f.flows, 0) AS own_equity
  FROM trading.account_balance b
  LEFT JOIN LATERAL (
        SELECT sum(x.amount) AS flows
          FROM trading.account_balance x
         WHERE x.account = b.account AND x.bot_id IS NOT DISTINCT FROM b.bot_id
           AND x.amount IS NOT NULL AND x.timestamp <= b.timestamp) f ON true;

CREATE TABLE analytics.portfolio_snapshots (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    timestamp            timestamptz NOT NULL, -- the exchange's clock
    installation         text NOT NULL,        -- daemons of different accounts share a database
    total_equity         numeric(20, 8) NOT NULL,
    total_balance        numeric(20, 8) NOT NULL,
    total_unrealized_pnl numeric(20, 8) NOT NULL,
    total_realized_pnl   numeric(20, 8) NOT NULL,
    total_margin_used    numeric(20, 8),
    portfolio_exposure   numeric(20, 8) NOT NULL, -- gross, USDT at the latest closes
    net_exposure         numeric(20, 8) NOT NULL,
    portfolio_leverage   numeric(14, 8),          -- gross exposure over equity
    portfolio_var_95     numeric(20, 8),          -- USDT a day; NULL with less than 30 days
    active_bots          integer NOT NULL,
    bots_in_trade        integer NOT NULL,
    total_open_positions integer NOT NULL,
    daily_pnl            numeric(20, 8) NOT NULL, -- net of what was closed since midnight UTC,
    weekly_pnl           numeric(20, 8) NOT NULL, -- Monday,
    monthly_pnl          numeric(20, 8) NOT NULL, -- the first of the month
    bot_metrics          jsonb NOT NULL,
    created_at           timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX portfolio_snapshots_by_time ON analytics.portfolio_snapshots (timestamp DESC);

-- The settings that a bot has run with, each since when; a row is closed when they change.
CREATE TABLE config.bot_configurations (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bot_id         text NOT NULL,
    account        text NOT NULL,
    config_key     text NOT NULL,
    config_type    text NOT NULL
        CHECK (config_type IN ('strategy_params', 'risk_params', 'trading_params')),
    config_value   jsonb NOT NULL,
    checksum       text NOT NULL,      -- SHA-256 of the value as canonical JSON
    version        integer NOT NULL CHECK (version > 0),
    is_active      boolean NOT NULL DEFAULT true,
    effective_from timestamptz NOT NULL DEFAULT clock_timestamp(),
    effective_until timestamptz,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (bot_id, account, config_key, version),
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots,
    CHECK (is_active = (effective_until IS NULL))
);
CREATE UNIQUE INDEX bot_configurations_one_active
    ON config.bot_configurations (bot_id, account, config_key) WHERE is_active;
CREATE TRIGGER touch BEFORE UPDATE ON config.bot_configurations
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
