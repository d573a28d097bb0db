-- The key of a candle begins with what everybody asks for: also who does not name the exchange
-- reads the candles of a symbol by key.
ALTER TABLE trading.market_data DROP CONSTRAINT market_data_pkey;
ALTER TABLE trading.market_data ADD PRIMARY KEY (symbol, interval, timestamp, exchange);

-- Leaves out of a month the candles of these intervals: what is kept is copied, the whole partition
-- replaced, or dropped when nothing is kept. Returns how many have gone. Readers wait only for the
-- exchange of the two.
CREATE OR REPLACE FUNCTION trading.thin_market_data_month(at timestamptz, short text[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    first_day timestamp := date_trunc('month', at AT TIME ZONE 'UTC');
    name text := 'market_data_' || to_char(first_day, 'YYYY_MM');
    thin text := name || '_thin';
    gone bigint;
    kept bigint;
BEGIN
    IF to_regclass('trading.' || name) IS NULL THEN
        RETURN 0;
    END IF;
    EXECUTE format('LOCK TABLE trading.%I IN SHARE ROW EXCLUSIVE MODE', name);
    EXECUTE format('SELECT count(*) FILTER (WHERE interval = ANY ($1)),'
                   '       count(*) FILTER (WHERE interval <> ALL ($1)) FROM trading.%I', name)
       INTO gone, kept USING short;
    IF gone = 0 THEN
        RETURN 0;
    END IF;
    IF kept > 0 THEN
        EXECUTE format('CREATE TABLE trading.%I'
                       ' (LIKE trading.market_data INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', thin);
        EXECUTE format('INSERT INTO trading.%I SELECT * FROM trading.%I WHERE interval <> ALL ($1)',
                       thin, name) USING short;
        EXECUTE format('ALTER TABLE trading.%I ADD PRIMARY KEY'
                       ' (symbol, interval, timestamp, exchange)', thin);
        EXECUTE format('CREATE INDEX ON trading.%I USING brin (timestamp)', thin);
    END IF;
    EXECUTE format('ALTER TABLE trading.market_data DETACH PARTITION trading.%I', name);
    EXECUTE format('DROP TABLE trading.%I', name);
    IF kept > 0 THEN
        EXECUTE format('ALTER TABLE trading.%I RENAME TO %I', thin, name);
        EXECUTE format(
            'ALTER TABLE trading.market_data ATTACH PARTITION trading.%I FOR VALUES FROM (%L) TO (%L)',
            name, first_day AT TIME ZONE 'UTC', (first_day + interval '1 month') AT TIME ZONE 'UTC');
    END IF;
    RETURN gone;
END $$;
