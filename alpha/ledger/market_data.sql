-- Closed candles: trading.market_data.

-- name: ensure_month
SELECT trading.ensure_market_data_month($1);

-- name: save_candles
-- A candle that is there stays as it is; indicators that it lacked are added.
INSERT INTO trading.market_data AS m (
    symbol, interval, timestamp, open_price, high_price, low_price, close_price, volume,
    quote_volume, ema_20, ema_50, ema_200, rsi_14, atr_14, data_source)
SELECT symbol, interval, at, o::numeric, h::numeric, l::numeric, c::numeric, v::numeric, q::numeric,
       e20::numeric, e50::numeric, e200::numeric, rsi::numeric, atr::numeric, source
  FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::float8[], $5::float8[], $6::float8[],
              $7::float8[], $8::float8[], $9::float8[], $10::float8[], $11::float8[], $12::float8[],
              $13::float8[], $14::float8[], $15::text[])
       AS t(symbol, interval, at, o, h, l, c, v, q, e20, e50, e200, rsi, atr, source)
ON CONFLICT (exchange, symbol, interval, timestamp) DO UPDATE SET
    ema_20 = coalesce(m.ema_20, excluded.ema_20), ema_50 = coalesce(m.ema_50, excluded.ema_50),
    ema_200 = coalesce(m.ema_200, excluded.ema_200), rsi_14 = coalesce(m.rsi_14, excluded.rsi_14),
    atr_14 = coalesce(m.atr_14, excluded.atr_14)
 WHERE (m.ema_20 IS NULL AND excluded.ema_20 IS NOT NULL)
    OR (m.ema_50 IS NULL AND excluded.ema_50 IS NOT NULL)
    OR (m.ema_200 IS NULL AND excluded.ema_200 IS NOT NULL)
    OR (m.rsi_14 IS NULL AND excluded.rsi_14 IS NOT NULL)
    OR (m.atr_14 IS NULL AND excluded.atr_14 IS NOT NULL);

-- name: adopt_month
SELECT trading.adopt_market_data_month($1);

-- name: stray_months
-- Months of which the default partition holds candles.
SELECT DISTINCT date_trunc('month', timestamp AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS month
  FROM trading.market_data_other;

-- name: past_months
-- Months with a partition that ended before $1.
SELECT month AT TIME ZONE 'UTC' AS month
  FROM (SELECT to_date(right(c.relname, 7), 'YYYY_MM')::timestamp AS month
          FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'trading.market_data'::regclass
           AND c.relname ~ '^market_data_[0-9]{4}_[0-9]{2}$') months
 WHERE (month + interval '1 month') AT TIME ZONE 'UTC' <= $1::timestamptz
 ORDER BY month;

-- name: thin_month
SELECT trading.thin_market_data_month($1, $2);

-- name: forget_candles
-- Some of the short candles that began since $1 and before $2.
DELETE FROM trading.market_data
 WHERE (exchange, symbol, interval, timestamp) IN (
    SELECT exchange, symbol, interval, timestamp FROM trading.market_data
     WHERE timestamp >= $1 AND timestamp < $2 AND interval = ANY($3::text[]) LIMIT $4);
