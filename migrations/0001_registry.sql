-- Schemas, the accounts and the bots that everything else refers to.

CREATE SCHEMA IF NOT EXISTS trading;
CREATE SCHEMA IF NOT EXISTS analytics;
CREATE SCHEMA IF NOT EXISTS config;
CREATE SCHEMA IF NOT EXISTS audit;

CREATE FUNCTION config.touch_updated_at() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END;
$$;

CREATE FUNCTION config.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only: expected INSERT, was %', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation',
              HINT = 'Correct attribution with a row in trading.attribution_overrides.';
END;
$$;

CREATE TABLE trading.accounts (
    account       text PRIMARY KEY CHECK (account ~ '^[A-Za-z0-9_-]{1,40}$'),
    mode          text NOT NULL CHECK (mode IN ('live', 'demo', 'testnet', 'paper', 'backtest')),
    api_key_hash  text,
    uid           text,
    position_mode text NOT NULL DEFAULT 'one_way' CHECK (position_mode IN ('one_way', 'hedge')),
    netting       boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE trading.bots (
    bot_id              text NOT NULL CHECK (bot_id ~ '^[a-z0-9_]{1,20}$'),
    account             text NOT NULL REFERENCES trading.accounts,
    bot_name            text NOT NULL,
    bot_type            text NOT NULL,
    strategy_name       text NOT NULL,
    description         text,
    status              text NOT NULL DEFAULT 'disabled'
        CHECK (status IN ('disabled', 'starting', 'warming', 'running', 'paused', 'reduce_only',
                          'failed', 'archived')),
    status_reason       text NOT NULL DEFAULT '',
    mode                text NOT NULL CHECK (mode IN ('live', 'demo', 'testnet', 'paper', 'backtest')),
    exchange            text NOT NULL DEFAULT 'bybit',
    initial_capital     numeric(20, 8),
    current_equity      numeric(20, 8),
    max_positions       integer CHECK (max_positions > 0),
    leverage_limit      numeric(14, 8) CHECK (leverage_limit > 0),
    max_daily_loss_pct  numeric(14, 8),
    max_weekly_loss_pct numeric(14, 8),
    max_drawdown_pct    numeric(14, 8),
    redis_db            integer NOT NULL DEFAULT 0 CHECK (redis_db >= 0),
    plugin_version      text,
    last_heartbeat      timestamptz,
    process_heartbeat   timestamptz,
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (bot_id, account)
);
-- A bot trades on one account; every account has its own row 'manual' for what no bot owns.
CREATE UNIQUE INDEX bots_one_account ON trading.bots (bot_id) WHERE bot_id <> 'manual';
CREATE INDEX bots_by_account ON trading.bots (account, status);

CREATE TABLE config.symbol_owners (
    account    text NOT NULL,
    symbol     text NOT NULL,
    bot_id     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, symbol),
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots
);

-- What the books need of an instrument: shares of quantities are multiples of its step.
CREATE TABLE config.instruments (
    symbol     text PRIMARY KEY,
    qty_step   numeric(28, 12) NOT NULL CHECK (qty_step > 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TRIGGER touch BEFORE UPDATE ON config.instruments
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON trading.accounts
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON trading.bots
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON config.symbol_owners
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
