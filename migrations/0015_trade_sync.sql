-- The trade sync: what was asked of the exchange's history and how far, what the exchange itself
-- says about closed positions and cash, and whether the ledger says the same.

-- One row per run and account.
CREATE TABLE trading.sync_status (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account          text NOT NULL REFERENCES trading.accounts,
    kind             text NOT NULL CHECK (kind IN ('backfill', 'hourly', 'manual')),
    status           text NOT NULL DEFAULT 'running'
        CHECK (status IN ('running', 'completed', 'failed', 'partial')),
    window_start     timestamptz NOT NULL, -- the exchange's clock
    window_end       timestamptz NOT NULL,
    windows          integer NOT NULL DEFAULT 0,
    windows_done     integer NOT NULL DEFAULT 0,
    executions_seen  integer NOT NULL DEFAULT 0,
    executions_new   integer NOT NULL DEFAULT 0, -- what neither stream nor recovery had brought
    executions_left  integer NOT NULL DEFAULT 0, -- of a position whose beginning is not known
    closings_seen    integer NOT NULL DEFAULT 0,
    cash_rows_seen   integer NOT NULL DEFAULT 0,
    error            text NOT NULL DEFAULT '',
    notes            jsonb NOT NULL DEFAULT '[]',
    started_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at      timestamptz,
    updated_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (window_end >= window_start)
);
CREATE INDEX sync_status_newest ON trading.sync_status (account, id DESC);
CREATE INDEX sync_status_success ON trading.sync_status (account, finished_at DESC)
    WHERE status = 'completed';

-- Up to when an endpoint has been asked completely, and what a run needs beside that to go on.
CREATE TABLE trading.sync_watermarks (
    account    text NOT NULL REFERENCES trading.accounts,
    endpoint   text NOT NULL
        CHECK (endpoint IN ('executions', 'closed_pnl', 'transactions', 'backfill')),
    high_water timestamptz NOT NULL, -- the exchange's clock
    cursor     text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, endpoint)
);

-- Executions that a backfill has fetched and not yet folded: history enters the books whole.
CREATE TABLE trading.sync_backlog (
    LIKE trading.executions INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    PRIMARY KEY (account, symbol, exec_id),
    FOREIGN KEY (account) REFERENCES trading.accounts
);

-- The exchange's own result of each order that has closed something.
CREATE TABLE trading.closed_pnl (
    account         text NOT NULL REFERENCES trading.accounts,
    symbol          text NOT NULL,
    order_id        text NOT NULL,
    side            text NOT NULL CHECK (side IN ('Buy', 'Sell')), -- of the closing order
    closed_size     numeric(28, 12) NOT NULL,
    avg_entry_price numeric(28, 12) NOT NULL,
    avg_exit_price  numeric(28, 12) NOT NULL,
    closed_pnl      numeric(28, 12) NOT NULL, -- fees of opening and closing taken off
    open_fee        numeric(28, 12) NOT NULL,
    close_fee       numeric(28, 12) NOT NULL,
    created_time    timestamptz NOT NULL,
    updated_time    timestamptz NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, symbol, order_id)
);
CREATE INDEX closed_pnl_by_time ON trading.closed_pnl (account, updated_time);

-- From flat to flat the ledger's round trips and the exchange's closed PnL come to the same.
CREATE TABLE trading.control_totals (
    account        text NOT NULL REFERENCES trading.accounts,
    symbol         text NOT NULL,
    opened_at      timestamptz NOT NULL,
    closed_at      timestamptz NOT NULL,
    orders         integer NOT NULL, -- that have closed something, as the exchange has them
    round_trips    integer NOT NULL,
    exchange_pnl   numeric(28, 12) NOT NULL,
    ledger_pnl     numeric(28, 12) NOT NULL, -- without funding, as the exchange's
    exchange_fees  numeric(28, 12) NOT NULL,
    ledger_fees    numeric(28, 12) NOT NULL,
    tolerance      numeric(28, 12) NOT NULL,
    pnl_difference numeric(28, 12) GENERATED ALWAYS AS (ledger_pnl - exchange_pnl) STORED,
    fee_difference numeric(28, 12) GENERATED ALWAYS AS (ledger_fees - exchange_fees) STORED,
    agrees         boolean GENERATED ALWAYS AS
        (abs(ledger_pnl - exchange_pnl) <= tolerance
         AND abs(ledger_fees - exchange_fees) <= tolerance) STORED,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, symbol, closed_at)
);
CREATE INDEX control_totals_by_time ON trading.control_totals (account, closed_at);

-- What has moved an account's cash beside the executions of its ledger: transfers, interest,
-- bonuses, other products. From the exchange's transaction log; `id` alone is not unique there.
CREATE TABLE trading.cash_movements (
    account    text NOT NULL REFERENCES trading.accounts,
    id         text NOT NULL,
    kind       text NOT NULL,
    trade_id   text NOT NULL DEFAULT '',
    category   text NOT NULL DEFAULT '',
    symbol     text NOT NULL DEFAULT '',
    change     numeric(28, 12) NOT NULL, -- > 0 received
    balance    numeric(28, 12),          -- afterwards
    moved_at   timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, id, kind, trade_id)
);
CREATE INDEX cash_movements_by_time ON trading.cash_movements (account, moved_at);

-- The ledger's cash against the exchange's, from one audit to the next.
CREATE TABLE trading.wallet_audits (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account          text NOT NULL REFERENCES trading.accounts,
    since            timestamptz NOT NULL, -- the exchange's clock
    until            timestamptz NOT NULL,
    opening_balance  numeric(28, 12) NOT NULL, -- the exchange's, at `since`
    realised         numeric(28, 12) NOT NULL, -- by the average entry price, as the exchange books
    fees             numeric(28, 12) NOT NULL,
    funding          numeric(28, 12) NOT NULL, -- > 0 received
    moved            numeric(28, 12) NOT NULL, -- transfers and the like
    ledger_balance   numeric(28, 12) GENERATED ALWAYS AS
        (opening_balance + realised - fees + funding + moved) STORED,
    rounding         numeric(28, 12) NOT NULL, -- of the exchange's average price
    log_balance      numeric(28, 12) NOT NULL, -- what the last row of its log has left
    wallet_balance   numeric(28, 12) NOT NULL,
    difference       numeric(28, 12) GENERATED ALWAYS AS
        (wallet_balance - (opening_balance + realised - fees + funding + moved) - rounding) STORED,
    rows_compared    integer NOT NULL,
    rows_differing   integer NOT NULL,
    first_difference text NOT NULL DEFAULT '',
    executions       bigint NOT NULL, -- of the ledger, up to `until`
    open_costs       jsonb NOT NULL DEFAULT '{}', -- symbol -> signed size and its entry value
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (until >= since)
);
CREATE INDEX wallet_audits_newest ON trading.wallet_audits (account, id DESC);

CREATE TRIGGER touch BEFORE UPDATE ON trading.sync_status
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON trading.sync_watermarks
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON trading.closed_pnl
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON trading.control_totals
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON trading.cash_movements
    FOR EACH ROW EXECUTE FUNCTION config.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON trading.cash_movements
    FOR EACH STATEMENT EXECUTE FUNCTION config.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON trading.wallet_audits
    FOR EACH ROW EXECUTE FUNCTION config.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON trading.wallet_audits
    FOR EACH STATEMENT EXECUTE FUNCTION config.refuse_change();
