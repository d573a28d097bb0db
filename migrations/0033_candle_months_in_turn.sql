-- Whoever stores a candle makes its month as well, maybe between the look and the making here.

CREATE OR REPLACE FUNCTION trading.adopt_market_data_month(at timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    first_day timestamp := date_trunc('month', at AT TIME ZONE 'UTC');
    since timestamptz := first_day AT TIME ZONE 'UTC';
    until timestamptz := (first_day + interval '1 month') AT TIME ZONE 'UTC';
    name text := 'market_data_' || to_char(first_day, 'YYYY_MM');
BEGIN
    IF to_regclass('trading.' || name) IS NOT NULL THEN
        RETURN false;
    END IF;
    LOCK TABLE trading.market_data_other IN SHARE ROW EXCLUSIVE MODE;
    EXECUTE format(
        'CREATE TABLE trading.%I (LIKE trading.market_data INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
        name);
    EXECUTE format(
        'WITH moved AS (DELETE FROM trading.market_data_other'
        '                WHERE timestamp >= $1 AND timestamp < $2 RETURNING *)'
        ' INSERT INTO trading.%I SELECT * FROM moved', name) USING since, until;
    EXECUTE format(
        'ALTER TABLE trading.market_data ATTACH PARTITION trading.%I FOR VALUES FROM (%L) TO (%L)',
        name, since, until);
    RETURN true;
EXCEPTION WHEN duplicate_table THEN
    RETURN false;  -- trading.ensure_market_data_month() was faster
END $$;
