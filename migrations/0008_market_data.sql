-- Closed candles of everything that a bot subscribes to, once for all bots. Not part of the ledger:
-- whatever is missing here the exchange has, and nothing is computed from it.

CREATE TABLE trading.market_data (
    exchange     text NOT NULL DEFAULT 'bybit',
    symbol       text NOT NULL,
    interval     text NOT NULL,        -- 1m, 5m, 4h, 1d, ...
    timestamp    timestamptz NOT NULL, -- start of the candle
    open_price   numeric(28, 12) NOT NULL,
    high_price   numeric(28, 12) NOT NULL,
    low_price    numeric(28, 12) NOT NULL,
    close_price  numeric(28, 12) NOT NULL,
    volume       numeric(28, 12) NOT NULL CHECK (volume >= 0), -- base coin
    quote_volume numeric(28, 12) NOT NULL,                     -- USDT
    -- NULL until enough candles in a row have been seen
    ema_20       numeric(28, 12),
    ema_50       numeric(28, 12),
    ema_200      numeric(28, 12),
    rsi_14       numeric(10, 6),
    atr_14       numeric(28, 12),
    data_source  text NOT NULL CHECK (data_source IN ('stream', 'rest')),
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (exchange, symbol, interval, timestamp),
    CHECK (low_price > 0 AND low_price <= least(open_price, close_price)
           AND high_price >= greatest(open_price, close_price))
) PARTITION BY RANGE (timestamp);
-- What no month was made for in time; such rows are found as any others.
CREATE TABLE trading.market_data_other PARTITION OF trading.market_data DEFAULT;
CREATE INDEX market_data_by_time ON trading.market_data USING brin (timestamp);

-- The partition of the month (UTC) that holds `at`, made when it is not there. False: the default
-- partition holds candles of that month, or somebody else is at it; those rows go there, too.
CREATE FUNCTION trading.ensure_market_data_month(at timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    first_day timestamp := date_trunc('month', at AT TIME ZONE 'UTC');
    name text := 'market_data_' || to_char(first_day, 'YYYY_MM');
BEGIN
    IF to_regclass('trading.' || name) IS NULL THEN
        EXECUTE format(
            'CREATE TABLE trading.%I PARTITION OF trading.market_data FOR VALUES FROM (%L) TO (%L)',
            name, first_day AT TIME ZONE 'UTC', (first_day + interval '1 month') AT TIME ZONE 'UTC');
    END IF;
    RETURN true;
EXCEPTION WHEN check_violation OR duplicate_table OR unique_violation OR lock_not_available THEN
    RETURN false;
END $$;
