-- Stretches of time over which a daemon has handed on the bars of a series without a hole, and has
-- therefore given each of them to trading.market_data: what data quality holds that table to.
-- Not history: a stretch grows while its series is subscribed, and goes with its candles.
CREATE TABLE trading.candle_spans (
    symbol     text NOT NULL,
    interval   text NOT NULL,
    since      timestamptz NOT NULL, -- start of the first candle,
    until      timestamptz NOT NULL, -- and of the last
    bar_ms     bigint NOT NULL CHECK (bar_ms > 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (symbol, interval, since),
    CHECK (until >= since)
);
CREATE TRIGGER touch BEFORE UPDATE ON trading.candle_spans
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
