-- Orders, decisions and bot state; how far an account is known; who owns it; what was done.

-- The rank of an order state; a row never goes back to a lower one. Same order as
-- alpha.core.orders (a test compares them).
CREATE FUNCTION trading.order_state_rank(state text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE state
    WHEN 'pending' THEN 0
    WHEN 'sent' THEN 1
    WHEN 'unknown' THEN 2
    WHEN 'acked' THEN 3
    WHEN 'open' THEN 4
    WHEN 'partially_filled' THEN 5
    WHEN 'never_accepted' THEN 6
    WHEN 'rejected' THEN 7
    WHEN 'deactivated' THEN 8
    WHEN 'cancelled' THEN 9
    WHEN 'filled' THEN 10
END;

CREATE TABLE trading.orders (
    account              text NOT NULL,
    order_link_id        text NOT NULL, -- as on the wire; a stranger's order has its order id here
    client_order_id      text,          -- bot:reason:unix_ms, NULL for a stranger's
    bot_id               text NOT NULL,
    symbol               text NOT NULL,
    side                 text NOT NULL CHECK (side IN ('Buy', 'Sell')),
    purpose              text NOT NULL CHECK (purpose IN ('entry', 'exit', 'stop')),
    reason               text NOT NULL,
    order_type           text NOT NULL,
    qty                  numeric(28, 12) NOT NULL CHECK (qty >= 0),
    price                numeric(28, 12),
    trigger_price        numeric(28, 12),
    reduce_only          boolean NOT NULL,
    state                text NOT NULL CHECK (trading.order_state_rank(state) IS NOT NULL),
    exchange_order_id    text,
    exchange_status      text,
    filled_qty           numeric(28, 12) NOT NULL CHECK (filled_qty >= 0),
    avg_fill_price       numeric(28, 12),
    reject_code          integer,
    reject_reason        text,
    parent_order_link_id text,
    decided_at           timestamptz NOT NULL, -- the event's time, the exchange's clock
    sent_at              timestamptz,
    acked_at             timestamptz,
    terminal_at          timestamptz,
    changed_at           timestamptz NOT NULL, -- wall time of the state
    created_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, order_link_id),
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots
);
-- Not unique: an order row that is wrong must never keep an execution out of the ledger.
CREATE INDEX orders_by_exchange_id ON trading.orders (account, exchange_order_id)
    WHERE exchange_order_id IS NOT NULL;
CREATE INDEX orders_open ON trading.orders (account, bot_id)
    WHERE state IN ('pending', 'sent', 'unknown', 'acked', 'open', 'partially_filled');
CREATE INDEX orders_by_bot ON trading.orders (bot_id, decided_at DESC);
CREATE INDEX orders_by_time ON trading.orders (decided_at DESC);

-- Every hook call that changed state or returned intents. json, not jsonb: the text comes back
-- exactly as it was written.
CREATE TABLE config.decisions (
    account     text NOT NULL,
    bot_id      text NOT NULL,
    ordinal     bigint NOT NULL,
    event_key   text NOT NULL,
    event_time  timestamptz NOT NULL,
    intents     json NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (bot_id, account, ordinal),
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots
);

-- The newest state of a bot: what a restart loads.
CREATE TABLE config.bot_state (
    account    text NOT NULL,
    bot_id     text NOT NULL,
    ordinal    bigint NOT NULL,
    state      json NOT NULL,
    last_stamp bigint NOT NULL,
    cursor     json NOT NULL,
    event_time timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (bot_id, account),
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots
);

-- One number per transaction of the writer; gaps are transactions that did not commit.
CREATE SEQUENCE config.commit_numbers;

-- How far an account is known: its newest execution, and the time up to which a complete REST
-- sweep has confirmed it. commit_no names the account's last commit.
CREATE TABLE config.marks (
    account    text PRIMARY KEY REFERENCES trading.accounts,
    seen       timestamptz,
    verified   timestamptz,
    commit_no  bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Which process owns an account, on the database's clock. The epoch rises with each new owner.
CREATE TABLE config.leases (
    account      text PRIMARY KEY,
    holder       text NOT NULL,
    installation text NOT NULL,
    epoch        bigint NOT NULL CHECK (epoch > 0),
    acquired_at  timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);

-- The code book of order ids: which code on the wire stands for which reason.
CREATE TABLE config.order_tags (
    code       text PRIMARY KEY CHECK (code ~ '^[a-z0-9]{1,3}$'),
    reason     text NOT NULL UNIQUE,
    is_entry   boolean NOT NULL,
    plugin     text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE audit.system_events (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_time  timestamptz NOT NULL DEFAULT clock_timestamp(),
    event_type  text NOT NULL,
    event_level text NOT NULL
        CHECK (event_level IN ('DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL')),
    component   text,
    account     text,
    bot_id      text,
    symbol      text,
    order_id    text,
    message     text NOT NULL,
    details     jsonb
);
CREATE INDEX system_events_by_time ON audit.system_events (event_time DESC);

CREATE TABLE audit.command_log (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    channel     text NOT NULL CHECK (channel IN ('cli', 'telegram', 'rest', 'internal')),
    operator    text NOT NULL,
    command     text NOT NULL,
    arguments   jsonb NOT NULL DEFAULT '{}',
    decision    text NOT NULL CHECK (decision IN ('allowed', 'refused')),
    result      text NOT NULL DEFAULT '',
    duration_ms numeric(14, 3)
);
CREATE INDEX command_log_by_time ON audit.command_log (at DESC);

CREATE TRIGGER touch BEFORE UPDATE ON trading.orders
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON config.bot_state
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON config.marks
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit.command_log
    FOR EACH ROW EXECUTE FUNCTION config.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON audit.command_log
    FOR EACH STATEMENT EXECUTE FUNCTION config.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON config.order_tags
    FOR EACH ROW EXECUTE FUNCTION config.refuse_change();
