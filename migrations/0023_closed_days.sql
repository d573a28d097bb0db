-- What was closed on each UTC day, summed up: reports over months read days instead of trades. A
-- day that was written again since it was summed up, or is too young, is read from the trades.

-- Results by day and symbol, exit reason, rule (why it was entered), and by day alone, of what
-- was closed from `since` on and before `before`. A trade is what one entry order has opened, as
-- far as it was closed on the day. `held`: when something of it was open, in rows of kind `day`.
CREATE FUNCTION analytics.closed_between(
    of_bots text[], since timestamptz, before timestamptz)
RETURNS TABLE (bot_id text, day date, kind text, name text, trades bigint, wins bigint,
               losses bigint, gross_profit numeric, gross_loss numeric, best numeric,
               worst numeric, gross_pnl numeric, fees numeric, funding numeric, net_pnl numeric,
               held tstzmultirange)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT t.bot_id, t.day, t.kind, t.name, count(*),
           count(*) FILTER (WHERE t.net_pnl > 0), count(*) FILTER (WHERE t.net_pnl < 0),
           coalesce(sum(t.net_pnl) FILTER (WHERE t.net_pnl > 0), 0),
           coalesce(-sum(t.net_pnl) FILTER (WHERE t.net_pnl < 0), 0),
           max(t.net_pnl), min(t.net_pnl),
           sum(t.gross_pnl), sum(t.fees), sum(t.funding), sum(t.net_pnl),
           range_agg(t.held)
      FROM (SELECT c.bot_id, (c.exit_time AT TIME ZONE 'UTC')::date AS day, k.kind, k.name,
                   sum(c.gross_pnl) AS gross_pnl, sum(c.total_commission) AS fees,
                   sum(c.funding) AS funding, sum(c.net_pnl) AS net_pnl,
                   range_agg(tstzrange(c.entry_time, c.exit_time)) FILTER (WHERE k.kind = 'day')
                       AS held
              FROM trading.completed_trades c
             CROSS JOIN LATERAL (VALUES
                   ('day', to_char(c.exit_time AT TIME ZONE 'UTC', 'YYYY-MM-DD')),
                   ('symbol', c.symbol), ('reason', c.exit_reason), ('rule', c.entry_reason))
                   AS k(kind, name)
             WHERE c.bot_id = ANY (of_bots) AND c.exit_time >= since AND c.exit_time < before
             GROUP BY c.bot_id, 2, k.kind, k.name, c.account, c.symbol, c.entry_order_id) t
     GROUP BY t.bot_id, t.day, t.kind, t.name
$$;

-- Those results of whole days; bot `*`: all together, without `manual`. Every day up to the newest
-- one is there.
CREATE TABLE analytics.closed_days (
    bot_id       text NOT NULL,
    day          date NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('day', 'symbol', 'reason', 'rule')),
    name         text NOT NULL,
    trades       bigint NOT NULL,
    wins         bigint NOT NULL,
    losses       bigint NOT NULL,
    gross_profit numeric NOT NULL,
    gross_loss   numeric NOT NULL,
    best         numeric NOT NULL,
    worst        numeric NOT NULL,
    gross_pnl    numeric NOT NULL,
    fees         numeric NOT NULL,
    funding      numeric NOT NULL,
    net_pnl      numeric NOT NULL,
    held         tstzmultirange,
    PRIMARY KEY (bot_id, day, kind, name)
);
CREATE INDEX closed_days_by_day ON analytics.closed_days (day);
CREATE INDEX closed_days_net ON analytics.closed_days (bot_id, day) INCLUDE (net_pnl)
    WHERE kind = 'day';

-- Days whose trades were written again, once for each row. Not unique: a mark that is being made
-- must stand beside one that is being taken away.
CREATE TABLE analytics.rewritten_days (
    day date NOT NULL
);

CREATE FUNCTION analytics.mark_rewritten_day() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO analytics.rewritten_days VALUES ((OLD.exit_time AT TIME ZONE 'UTC')::date);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO analytics.rewritten_days VALUES ((NEW.exit_time AT TIME ZONE 'UTC')::date);
    END IF;
    RETURN NULL;
END $$;

-- Days are summed up when they have been over for 25 hours, so that what is written of the last 24
-- needs no mark: the hour between is for transactions that began before the sum and end after it.
CREATE TRIGGER rewritten_by_insert AFTER INSERT ON trading.completed_trades FOR EACH ROW
    WHEN (NEW.exit_time < statement_timestamp() - interval '24 h')
    EXECUTE FUNCTION analytics.mark_rewritten_day();
CREATE TRIGGER rewritten_by_update AFTER UPDATE ON trading.completed_trades FOR EACH ROW
    WHEN (least(OLD.exit_time, NEW.exit_time) < statement_timestamp() - interval '24 h')
    EXECUTE FUNCTION analytics.mark_rewritten_day();
CREATE TRIGGER rewritten_by_delete AFTER DELETE ON trading.completed_trades FOR EACH ROW
    WHEN (OLD.exit_time < statement_timestamp() - interval '24 h')
    EXECUTE FUNCTION analytics.mark_rewritten_day();

-- The results of these bots since a moment, as the trades are now: from the days where they hold,
-- else from the trades. NULL: of all together, without `manual`; rows of days are then those of `*`.
CREATE FUNCTION analytics.closed(of_bots text[], since timestamptz, before timestamptz)
RETURNS TABLE (bot_id text, day date, kind text, name text, trades bigint, wins bigint,
               losses bigint, gross_profit numeric, gross_loss numeric, best numeric,
               worst numeric, gross_pnl numeric, fees numeric, funding numeric, net_pnl numeric,
               held tstzmultirange)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH marked AS MATERIALIZED (SELECT DISTINCT r.day FROM analytics.rewritten_days r),
    -- Whole days of the window up to the newest one that is summed up: first <= day < last.
    edge AS MATERIALIZED (
        SELECT f.first, greatest(f.first, least(
                   (before AT TIME ZONE 'UTC')::date,
                   coalesce((SELECT max(d.day) + 1 FROM analytics.closed_days d),
                            '-infinity'::date))) AS last
          FROM (SELECT CASE WHEN since = '-infinity' THEN '-infinity'::date
                            ELSE ((since + interval '1 day' - interval '1 microsecond')
                                  AT TIME ZONE 'UTC')::date END AS first) f),
    crew AS MATERIALIZED (
        SELECT coalesce(of_bots, array_agg(DISTINCT b.bot_id)) AS bots
          FROM trading.bots b WHERE b.bot_id <> 'manual'),
    live AS (
        SELECT since AS lo, least(before, e.first AT TIME ZONE 'UTC') AS hi FROM edge e
        UNION ALL
        SELECT greatest(since, e.last AT TIME ZONE 'UTC'), before FROM edge e
        UNION ALL
        SELECT m.day AT TIME ZONE 'UTC', (m.day + 1) AT TIME ZONE 'UTC'
          FROM marked m, edge e WHERE m.day >= e.first AND m.day < e.last)
    SELECT d.*
      FROM edge e, analytics.closed_days d
     WHERE d.bot_id = ANY (coalesce(of_bots, ARRAY['*'])) AND d.day >= e.first AND d.day < e.last
       AND NOT EXISTS (SELECT FROM marked m WHERE m.day = d.day)
    UNION ALL
    SELECT c.*
      FROM live l
     CROSS JOIN crew
     CROSS JOIN LATERAL analytics.closed_between(crew.bots, l.lo, l.hi) c
     WHERE l.lo < l.hi
$$;

-- As before, but the newest close of a symbol is looked up once, not for each position in it.
CREATE OR REPLACE VIEW trading.position_summaries AS
WITH closes AS MATERIALIZED (
    SELECT s.symbol, k.price, k.at
      FROM (SELECT DISTINCT l.symbol FROM trading.position_entries l
             WHERE l.remaining_qty > 0) s
     CROSS JOIN LATERAL (
           SELECT newest.close_price AS price, newest.timestamp + i.length AS at
             FROM (VALUES ('1m', interval '1 minute'), ('3m', interval '3 minutes'),
                          ('5m', interval '5 minutes'), ('15m', interval '15 minutes'),
                          ('30m', interval '30 minutes'), ('1h', interval '1 hour'),
                          ('4h', interval '4 hours'), ('1d', interval '1 day')) i(name, length)
            CROSS JOIN LATERAL (
                  SELECT d.close_price, d.timestamp FROM trading.market_data d
                   WHERE d.exchange = 'bybit' AND d.symbol = s.symbol AND d.interval = i.name
                   ORDER BY d.timestamp DESC LIMIT 1) newest
            ORDER BY at DESC LIMIT 1) k)
SELECT c.bot_id, c.account, c.symbol, c.side, p.position_id,
       c.total_qty AS size, p.max_size, c.avg_entry_price, c.num_entries,
       m.price AS current_price, m.at AS price_time,
       c.total_qty * m.price AS exposure,
       (c.total_qty * m.price - c.total_cost) * CASE c.side WHEN 'long' THEN 1 ELSE -1 END
           AS unrealized_pnl,
       (m.price / c.avg_entry_price - 1) * CASE c.side WHEN 'long' THEN 1 ELSE -1 END
           AS unrealized_pnl_pct,
       p.realized_pnl, p.fees, p.funding,
       e.leverage, e.liq_price,
       coalesce(own.stop_loss, nullif(e.stop_loss, 0)) AS stop_loss,
       coalesce(own.take_profit, nullif(e.take_profit, 0)) AS take_profit,
       nullif(e.trailing_stop, 0) AS trailing_stop,
       p.entry_reason, p.opened_at,
       extract(epoch FROM greatest(trading.venue_now(c.account) - p.opened_at, interval '0'))
           AS age_seconds
  FROM trading.current_positions c
  JOIN trading.positions p
    ON p.account = c.account AND p.bot_id = c.bot_id AND p.symbol = c.symbol
   AND p.closed_at IS NULL
  LEFT JOIN trading.exchange_positions e
    ON e.account = c.account AND e.symbol = c.symbol AND e.signed_size <> 0
   AND e.position_idx IN (0, CASE c.side WHEN 'long' THEN 1 ELSE 2 END)
  LEFT JOIN LATERAL (
       SELECT max(o.trigger_price) FILTER (WHERE o.reason IN ('stop_loss', 'trailing_stop'))
                  AS stop_loss,
              max(o.trigger_price) FILTER (WHERE o.reason = 'take_profit') AS take_profit
         FROM trading.orders o
        WHERE o.account = c.account AND o.bot_id = c.bot_id AND o.symbol = c.symbol
          AND o.purpose = 'stop' AND o.trigger_price > 0
          AND o.state IN ('pending', 'sent', 'unknown', 'acked', 'open', 'partially_filled')) own
    ON true
  LEFT JOIN LATERAL (
       SELECT price, at FROM (
           SELECT e.mark_price AS price, e.exchange_time AS at WHERE e.mark_price > 0
           UNION ALL
           SELECT k.price, k.at FROM closes k WHERE k.symbol = c.symbol) prices
        ORDER BY at DESC LIMIT 1) m
    ON true;
