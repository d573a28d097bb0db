-- What many bots have gained on all days: with an index by day alone everything of those days would
-- be read for it.

DROP INDEX analytics.closed_days_by_day;
DROP INDEX analytics.closed_days_net;
CREATE INDEX closed_days_by_kind ON analytics.closed_days (kind, day);

-- The results of these bots since a moment, as the trades are now: from the days where they hold,
-- else from the trades. NULL: of all together, without `manual`; rows of days are then those of `*`.
CREATE OR REPLACE FUNCTION analytics.closed(of_bots text[], since timestamptz, before timestamptz)
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
                   coalesce((SELECT max(d.day) + 1 FROM analytics.closed_days d
                              WHERE d.kind = 'day'), '-infinity'::date))) AS last
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
