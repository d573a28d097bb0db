-- A trade is what one entry order has opened. What no order has opened, an adjustment, is one for each
-- execution, here as in all other views: all of a day were one trade.
CREATE OR REPLACE VIEW trading.daily_trades AS
SELECT (exit_time AT TIME ZONE 'UTC')::date AS trade_date,
       bot_id, account, symbol,
       coalesce(nullif(entry_order_id, ''), entry_exec_id) AS entry_order_id,
       sum(gross_pnl) AS gross_pnl,
       sum(total_commission) AS total_commission,
       sum(funding) AS funding,
       sum(net_pnl) AS net_pnl,
       max(exit_time) - min(entry_time) AS held,
       bool_or(quality <> 'exact') AS is_estimated
  FROM trading.round_trips
 GROUP BY 1, 2, 3, 4, 5;

CREATE OR REPLACE FUNCTION analytics.closed_between(
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
             GROUP BY c.bot_id, 2, k.kind, k.name, c.account, c.symbol,
                      coalesce(nullif(c.entry_order_id, ''), c.entry_exec_id)) t
     GROUP BY t.bot_id, t.day, t.kind, t.name
$$;

-- Days that were summed up the other way.
INSERT INTO analytics.rewritten_days
SELECT DISTINCT (exit_time AT TIME ZONE 'UTC')::date
  FROM trading.completed_trades WHERE entry_order_id = '';
