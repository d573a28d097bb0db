-- What the executions mean per bot. Every row here can be deleted and computed again.

CREATE TABLE trading.fills (
    account         text NOT NULL,
    symbol          text NOT NULL,
    exec_id         text NOT NULL,
    bot_id          text NOT NULL,
    leg             smallint NOT NULL CHECK (leg IN (0, 1)),
    order_id        text NOT NULL,
    order_link_id   text NOT NULL,
    client_order_id text,
    side            text NOT NULL CHECK (side IN ('Buy', 'Sell')),
    exec_type       text NOT NULL,
    exec_price      numeric(28, 12) NOT NULL,
    exec_qty        numeric(28, 12) NOT NULL CHECK (exec_qty > 0),
    exec_value      numeric(28, 12) GENERATED ALWAYS AS (exec_price * exec_qty) STORED,
    commission      numeric(28, 12) NOT NULL,
    fee_currency    text NOT NULL,
    effect          text NOT NULL CHECK (effect IN ('entry', 'exit')),
    reason          text NOT NULL,
    close_reason    text GENERATED ALWAYS AS (reason) STORED,
    reason_source   text NOT NULL CHECK (reason_source IN ('id', 'exchange', 'effect')),
    attribution     text NOT NULL
        CHECK (attribution IN ('override', 'id', 'order', 'parent', 'sole_bot', 'open_lot',
                               'symbol', 'manual', 'share')),
    realised        numeric(28, 12) NOT NULL,
    position_after  numeric(28, 12) NOT NULL,
    is_maker        boolean NOT NULL,
    exec_time       timestamptz NOT NULL,
    seq             bigint NOT NULL,
    PRIMARY KEY (account, symbol, exec_id, bot_id, leg),
    FOREIGN KEY (account, symbol, exec_id) REFERENCES trading.executions,
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots
);
CREATE INDEX fills_by_bot ON trading.fills (bot_id, exec_time DESC);
CREATE INDEX fills_by_symbol ON trading.fills (account, symbol, exec_time DESC);
CREATE INDEX fills_by_time ON trading.fills (exec_time DESC);
CREATE INDEX fills_by_order ON trading.fills (account, order_id);

CREATE TABLE trading.funding_payments (
    account   text NOT NULL,
    symbol    text NOT NULL,
    exec_id   text NOT NULL,
    bot_id    text NOT NULL,
    position  numeric(28, 12) NOT NULL,
    rate      numeric(28, 12),
    amount    numeric(28, 12) NOT NULL,
    currency  text NOT NULL,
    exec_time timestamptz NOT NULL,
    seq       bigint NOT NULL,
    PRIMARY KEY (account, symbol, exec_id, bot_id),
    FOREIGN KEY (account, symbol, exec_id) REFERENCES trading.executions,
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots
);
CREATE INDEX funding_payments_by_bot ON trading.funding_payments (bot_id, exec_time DESC);
CREATE INDEX funding_payments_by_symbol ON trading.funding_payments (account, symbol, exec_time DESC);

-- Lots: an entry fill and what is left of it.
CREATE TABLE trading.position_entries (
    account          text NOT NULL,
    symbol           text NOT NULL,
    exec_id          text NOT NULL,
    bot_id           text NOT NULL,
    entry_id         text GENERATED ALWAYS AS (bot_id || ':' || symbol || ':' || exec_id) STORED,
    side             text NOT NULL CHECK (side IN ('long', 'short')),
    entry_price      numeric(28, 12) NOT NULL,
    original_qty     numeric(28, 12) NOT NULL CHECK (original_qty > 0),
    remaining_qty    numeric(28, 12) NOT NULL CHECK (remaining_qty >= 0),
    entry_commission numeric(28, 12) NOT NULL,
    commission_left  numeric(28, 12) NOT NULL,
    funding_left     numeric(28, 12) NOT NULL,
    entry_reason     text NOT NULL,
    entry_order_id   text NOT NULL,
    order_link_id    text NOT NULL,
    entry_time       timestamptz NOT NULL,
    status           text GENERATED ALWAYS AS (
        CASE WHEN remaining_qty = 0 THEN 'closed'
             WHEN remaining_qty < original_qty THEN 'partially_closed'
             ELSE 'open' END) STORED,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, symbol, exec_id, bot_id),
    FOREIGN KEY (account, symbol, exec_id) REFERENCES trading.executions,
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots,
    CHECK (remaining_qty <= original_qty)
);
CREATE INDEX position_entries_open ON trading.position_entries (account, bot_id, symbol, entry_time)
    WHERE remaining_qty > 0;
CREATE INDEX position_entries_by_time ON trading.position_entries (account, symbol, entry_time);

-- Round trips: a piece of a lot closed by a piece of an exit fill, first in, first out.
CREATE TABLE trading.completed_trades (
    account                  text NOT NULL,
    symbol                   text NOT NULL,
    bot_id                   text NOT NULL,
    entry_exec_id            text NOT NULL,
    exit_exec_id             text NOT NULL,
    trade_id                 text GENERATED ALWAYS AS
        (bot_id || ':' || symbol || ':' || entry_exec_id || ':' || exit_exec_id) STORED,
    side                     text NOT NULL CHECK (side IN ('long', 'short')),
    quantity                 numeric(28, 12) NOT NULL CHECK (quantity > 0),
    entry_order_id           text NOT NULL,
    entry_order_link_id      text NOT NULL,
    entry_side               text GENERATED ALWAYS AS
        (CASE side WHEN 'long' THEN 'Buy' ELSE 'Sell' END) STORED,
    entry_price              numeric(28, 12) NOT NULL,
    entry_time               timestamptz NOT NULL,
    entry_reason             text NOT NULL,
    entry_commission         numeric(28, 12) NOT NULL,
    exit_order_id            text NOT NULL,
    exit_order_link_id       text NOT NULL,
    exit_side                text GENERATED ALWAYS AS
        (CASE side WHEN 'long' THEN 'Sell' ELSE 'Buy' END) STORED,
    exit_price               numeric(28, 12) NOT NULL,
    exit_time                timestamptz NOT NULL,
    exit_reason              text NOT NULL,
    exit_commission          numeric(28, 12) NOT NULL,
    gross_pnl                numeric(28, 12) NOT NULL,
    funding                  numeric(28, 12) NOT NULL,
    total_commission         numeric(28, 12) GENERATED ALWAYS AS
        (entry_commission + exit_commission) STORED,
    net_pnl                  numeric(28, 12) GENERATED ALWAYS AS
        (gross_pnl - entry_commission - exit_commission + funding) STORED,
    -- a fraction of the entry value
    pnl_pct                  numeric(14, 8) GENERATED ALWAYS AS
        (CASE WHEN entry_price > 0
              THEN (gross_pnl - entry_commission - exit_commission + funding)
                   / (entry_price * quantity) END) STORED,
    holding_duration_seconds numeric(20, 3) GENERATED ALWAYS AS
        (extract(epoch FROM exit_time - entry_time)) STORED,
    quality                  text NOT NULL DEFAULT 'exact'
        CHECK (quality IN ('exact', 'entry_time_approx', 'estimated')),
    source                   text NOT NULL DEFAULT 'fills'
        CHECK (source IN ('fills', 'bybit_api', 'manual', 'import')),
    created_at               timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at               timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, symbol, entry_exec_id, exit_exec_id, bot_id),
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots,
    CHECK (exit_time >= entry_time)
);
CREATE INDEX completed_trades_by_bot ON trading.completed_trades (bot_id, exit_time DESC);
CREATE INDEX completed_trades_by_symbol ON trading.completed_trades (account, symbol, exit_time);

-- Positions: one row per bot and symbol from flat to flat.
CREATE TABLE trading.positions (
    account         text NOT NULL,
    symbol          text NOT NULL,
    bot_id          text NOT NULL,
    opened_by       text NOT NULL,
    position_id     text GENERATED ALWAYS AS (bot_id || ':' || symbol || ':' || opened_by) STORED,
    side            text NOT NULL CHECK (side IN ('long', 'short')),
    size            numeric(28, 12) NOT NULL CHECK (size >= 0),
    max_size        numeric(28, 12) NOT NULL,
    avg_entry_price numeric(28, 12) NOT NULL,
    realized_pnl    numeric(28, 12) NOT NULL,
    fees            numeric(28, 12) NOT NULL,
    funding         numeric(28, 12) NOT NULL,
    entry_reason    text NOT NULL,
    exit_reason     text,
    opened_at       timestamptz NOT NULL,
    closed_at       timestamptz,
    status          text GENERATED ALWAYS AS (
        CASE WHEN closed_at IS NOT NULL THEN 'closed'
             WHEN size < max_size THEN 'partially_closed'
             ELSE 'open' END) STORED,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, symbol, bot_id, opened_by),
    FOREIGN KEY (account, symbol, opened_by) REFERENCES trading.executions,
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots,
    CHECK (size <= max_size),
    CHECK ((closed_at IS NULL) = (size > 0))
);
CREATE UNIQUE INDEX positions_one_open ON trading.positions (account, bot_id, symbol)
    WHERE closed_at IS NULL;
CREATE INDEX positions_by_time ON trading.positions (account, symbol, opened_at);

-- The exchange's own view of an account, last seen.
CREATE TABLE trading.exchange_positions (
    account        text NOT NULL REFERENCES trading.accounts,
    symbol         text NOT NULL,
    position_idx   smallint NOT NULL,
    signed_size    numeric(28, 12) NOT NULL,
    entry_price    numeric(28, 12),
    mark_price     numeric(28, 12),
    leverage       numeric(28, 12),
    liq_price      numeric(28, 12),
    unrealised_pnl numeric(28, 12),
    stop_loss      numeric(28, 12),
    take_profit    numeric(28, 12),
    trailing_stop  numeric(28, 12),
    seq            bigint NOT NULL,
    source         text NOT NULL CHECK (source IN ('stream', 'rest')),
    exchange_time  timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, symbol, position_idx)
);

CREATE TABLE trading.account_balance (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account       text NOT NULL REFERENCES trading.accounts,
    total_balance numeric(20, 8) NOT NULL,
    equity        numeric(20, 8) NOT NULL,
    available     numeric(20, 8),
    source        text NOT NULL CHECK (source IN ('stream', 'rest')),
    timestamp     timestamptz NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX account_balance_by_time ON trading.account_balance (account, timestamp DESC);

CREATE TRIGGER touch BEFORE UPDATE ON trading.position_entries
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON trading.completed_trades
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON trading.positions
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON trading.exchange_positions
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
