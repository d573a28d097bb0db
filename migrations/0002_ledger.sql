-- The truth: every row of the exchange's execution list, and what a person decided about it.
-- Append-only in the database itself; every other money table is computed from these.

CREATE TABLE trading.executions (
    account         text NOT NULL REFERENCES trading.accounts,
    symbol          text NOT NULL,
    exec_id         text NOT NULL,
    order_id        text NOT NULL,
    order_link_id   text NOT NULL,
    side            text NOT NULL CHECK (side IN ('Buy', 'Sell')),
    exec_type       text NOT NULL,
    price           numeric(28, 12) NOT NULL,
    qty             numeric(28, 12) NOT NULL CHECK (qty > 0),
    value           numeric(28, 12) NOT NULL,
    fee             numeric(28, 12) NOT NULL,
    fee_currency    text NOT NULL,
    fee_rate        numeric(28, 12),
    leaves_qty      numeric(28, 12) NOT NULL,
    closed_size     numeric(28, 12),
    is_maker        boolean NOT NULL,
    create_type     text NOT NULL,
    order_type      text NOT NULL,
    stop_order_type text NOT NULL,
    exec_time       timestamptz NOT NULL,
    seq             bigint NOT NULL,
    exec_pnl        numeric(28, 12),
    mark_price      numeric(28, 12),
    source          text NOT NULL CHECK (source IN ('stream', 'rest', 'paper', 'import')),
    received_at     timestamptz,
    recorded_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, symbol, exec_id)
);
-- Ledger order of one symbol; per account for the newest rows and for windows.
CREATE INDEX executions_ledger_order ON trading.executions (account, symbol, exec_time, seq);
CREATE INDEX executions_by_time ON trading.executions (account, exec_time);
CREATE INDEX executions_by_order ON trading.executions (account, order_id);

-- Which bot an execution belongs to, decided by a person; the newest row of an execution wins.
CREATE TABLE trading.attribution_overrides (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account    text NOT NULL,
    symbol     text NOT NULL,
    exec_id    text NOT NULL,
    bot_id     text NOT NULL,
    operator   text NOT NULL,
    note       text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (account, symbol, exec_id) REFERENCES trading.executions,
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots
);
CREATE INDEX attribution_overrides_by_execution
    ON trading.attribution_overrides (account, symbol, exec_id, id);

-- A difference to the exchange that no execution explains, accepted by a person.
CREATE TABLE trading.adjustments (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account    text NOT NULL,
    bot_id     text NOT NULL DEFAULT 'manual' CHECK (bot_id = 'manual'),
    symbol     text NOT NULL,
    qty        numeric(28, 12) NOT NULL,
    price      numeric(28, 12) NOT NULL,
    operator   text NOT NULL,
    note       text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON trading.executions
    FOR EACH ROW EXECUTE FUNCTION config.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON trading.executions
    FOR EACH STATEMENT EXECUTE FUNCTION config.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON trading.attribution_overrides
    FOR EACH ROW EXECUTE FUNCTION config.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON trading.attribution_overrides
    FOR EACH STATEMENT EXECUTE FUNCTION config.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON trading.adjustments
    FOR EACH ROW EXECUTE FUNCTION config.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON trading.adjustments
    FOR EACH STATEMENT EXECUTE FUNCTION config.refuse_change();
