-- What people ask of the books, as views: trades, positions with their fills, exits, symbols, days.
-- Plain views say what is so now. What dashboards ask again and again is materialized, and
-- refreshed beside trading by those who own the database.

-- Names that queries from elsewhere use.
ALTER TABLE trading.bots
    ADD COLUMN deployment_mode text GENERATED ALWAYS AS (mode) STORED;
ALTER TABLE trading.completed_trades
    ADD COLUMN entry_qty numeric(28, 12) GENERATED ALWAYS AS (quantity) STORED,
    ADD COLUMN exit_qty  numeric(28, 12) GENERATED ALWAYS AS (quantity) STORED;
ALTER TABLE trading.orders
    ADD COLUMN status   text GENERATED ALWAYS AS (state) STORED,
    ADD COLUMN quantity numeric(28, 12) GENERATED ALWAYS AS (qty) STORED;
-- The same for the same fill, also when the books are computed anew.
ALTER TABLE trading.fills
    ADD COLUMN id bigint GENERATED ALWAYS AS (
        (hashtextextended(account || '|' || symbol || '|' || exec_id || '|' || bot_id || '|' || leg::text,
                          0) & 9223372036854775806) + 1) STORED;

-- What time it is on the exchange of an account. A market of our own runs at its own speed: there
-- it is as late as the newest execution.
CREATE FUNCTION trading.venue_now(of_account text) RETURNS timestamptz
LANGUAGE sql STABLE
RETURN (SELECT CASE WHEN a.mode IN ('paper', 'backtest')
                    THEN coalesce((SELECT m.seen FROM config.marks m WHERE m.account = of_account),
                                  clock_timestamp())
                    ELSE clock_timestamp() END
          FROM trading.accounts a WHERE a.account = of_account);

-- A trade as people count it: what one entry order has opened, whatever has become of it. Entries
-- without an order (adjustments) stand for themselves.
CREATE VIEW trading.trades AS
SELECT bot_id || ':' || symbol || ':' || entry_order AS trade_id,
       bot_id, account, symbol, entry_order AS exchange_order_id,
       min(entry_order_link_id) AS order_link_id,
       side,
       min(entry_reason) AS entry_reason,
       CASE WHEN sum(left_qty) = 0 THEN 'closed'
            WHEN sum(closed_qty) = 0 THEN 'open'
            ELSE 'partially_closed' END AS status,
       sum(qty) AS quantity,
       sum(left_qty) AS remaining_qty,
       sum(qty * entry_price) / sum(qty) AS entry_price,
       sum(closed_qty * exit_price) / nullif(sum(closed_qty), 0) AS exit_price,
       sum(qty * entry_price) AS position_size_usd,
       min(entry_time) AS entry_time,
       CASE WHEN sum(left_qty) = 0 THEN max(exit_time) END AS exit_time,
       CASE WHEN sum(left_qty) = 0
            THEN extract(epoch FROM max(exit_time) - min(entry_time)) END AS holding_time_seconds,
       (array_agg(exit_reason ORDER BY exit_time DESC, exit_exec_id COLLATE "C" DESC)
            FILTER (WHERE exit_reason IS NOT NULL))[1] AS exit_reason,
       coalesce(sum(gross_pnl), 0) AS gross_pnl,
       sum(commission) AS commission,
       sum(funding) AS funding,
       coalesce(sum(net_pnl), 0) AS pnl_usd,
       coalesce(sum(net_pnl), 0) / nullif(sum(closed_qty * entry_price), 0) AS pnl_pct
  FROM (SELECT bot_id, account, symbol, side,
               coalesce(nullif(entry_order_id, ''), entry_exec_id) AS entry_order,
               entry_order_link_id, entry_reason, entry_price, entry_time,
               quantity AS qty, quantity AS closed_qty, 0 AS left_qty,
               exit_price, exit_time, exit_reason, exit_exec_id,
               gross_pnl, total_commission AS commission, funding, net_pnl
          FROM trading.completed_trades
        UNION ALL
        SELECT bot_id, account, symbol, side,
               coalesce(nullif(entry_order_id, ''), exec_id),
               order_link_id, entry_reason, entry_price, entry_time,
               remaining_qty, 0, remaining_qty,
               NULL, NULL, NULL, NULL,
               NULL, commission_left, funding_left, NULL
          FROM trading.position_entries
         WHERE remaining_qty > 0) pieces
 GROUP BY bot_id, account, symbol, entry_order, side;

-- Which fills belong to which position (flat to flat). A bot's fills in a symbol, in ledger order;
-- one that opens from nothing begins the next position. Fills of one order in one moment go one
-- way, so closing ones come first and sizes shrink, then grow.
CREATE VIEW trading.position_fills AS
SELECT account, bot_id, symbol,
       bot_id || ':' || symbol || ':' || first_value(exec_id) OVER cycle AS position_id,
       exec_id, leg, effect, side, exec_price, exec_qty, commission, reason, exec_time, id AS fill_id
  FROM (SELECT f.*,
               count(*) FILTER (WHERE leg = 1 AND abs(position_after) = exec_qty)
                   OVER (PARTITION BY account, bot_id, symbol
                         ORDER BY exec_time, seq, order_id COLLATE "C", leg,
                                  CASE leg WHEN 0 THEN -1 ELSE 1 END * abs(position_after)
                         ROWS UNBOUNDED PRECEDING) AS number
          FROM trading.fills f) numbered
WINDOW cycle AS (PARTITION BY account, bot_id, symbol, number
                 ORDER BY exec_time, seq, order_id COLLATE "C", leg,
                          CASE leg WHEN 0 THEN -1 ELSE 1 END * abs(position_after));

CREATE VIEW trading.position_fill_ids AS
SELECT account, bot_id, symbol, position_id,
       array_agg(exec_id ORDER BY exec_time, exec_id) FILTER (WHERE effect = 'entry')
           AS entry_exec_ids,
       coalesce(array_agg(exec_id ORDER BY exec_time, exec_id) FILTER (WHERE effect = 'exit'),
                '{}') AS exit_exec_ids
  FROM trading.position_fills
 GROUP BY account, bot_id, symbol, position_id;

-- Open positions, with what they are worth at the newest price that is known: the exchange's mark,
-- or a later close of a candle.
CREATE VIEW trading.position_summaries AS
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
           SELECT k.close_price, k.timestamp + i.length
             FROM (VALUES ('1m', interval '1 minute'), ('3m', interval '3 minutes'),
                          ('5m', interval '5 minutes'), ('15m', interval '15 minutes'),
                          ('30m', interval '30 minutes'), ('1h', interval '1 hour'),
                          ('4h', interval '4 hours'), ('1d', interval '1 day')) i(name, length)
            CROSS JOIN LATERAL (
                  SELECT d.close_price, d.timestamp FROM trading.market_data d
                   WHERE d.exchange = 'bybit' AND d.symbol = c.symbol AND d.interval = i.name
                   ORDER BY d.timestamp DESC LIMIT 1) k) prices
        ORDER BY at DESC LIMIT 1) m
    ON true;

-- Closed trades by bot, symbol and UTC day.
CREATE VIEW trading.completed_trades_summary AS
SELECT trade_date, bot_id, account, symbol,
       count(*) AS trades,
       count(*) FILTER (WHERE net_pnl > 0) AS wins,
       count(*) FILTER (WHERE net_pnl < 0) AS losses,
       count(*) FILTER (WHERE net_pnl = 0) AS breakeven,
       (count(*) FILTER (WHERE net_pnl > 0))::numeric / count(*) AS win_rate,
       sum(gross_pnl) AS gross_pnl,
       sum(total_commission) AS fees,
       sum(funding) AS funding,
       sum(net_pnl) AS net_pnl,
       avg(net_pnl) AS avg_pnl,
       max(net_pnl) AS best,
       min(net_pnl) AS worst,
       avg(extract(epoch FROM held)) AS avg_hold_seconds
  FROM trading.daily_trades
 GROUP BY trade_date, bot_id, account, symbol;

-- How trades ended. One that was closed in pieces for several reasons counts under each with the
-- pieces closed for it.
CREATE VIEW trading.exit_reason_analysis AS
SELECT bot_id, account, exit_reason,
       count(*) AS trades,
       count(*) FILTER (WHERE net_pnl > 0) AS wins,
       count(*) FILTER (WHERE net_pnl < 0) AS losses,
       count(*) FILTER (WHERE net_pnl = 0) AS breakeven,
       (count(*) FILTER (WHERE net_pnl > 0))::numeric / count(*) AS win_rate,
       sum(net_pnl) AS net_pnl,
       avg(net_pnl) AS avg_pnl,
       avg(extract(epoch FROM held)) / 60 AS avg_hold_minutes,
       sum(net_pnl) / nullif(sum(sum(net_pnl)) OVER (PARTITION BY bot_id, account), 0)
           AS share_of_pnl
  FROM (SELECT bot_id, account, exit_reason, sum(net_pnl) AS net_pnl,
               max(exit_time) - min(entry_time) AS held
          FROM trading.completed_trades
         GROUP BY bot_id, account, symbol, coalesce(nullif(entry_order_id, ''), entry_exec_id),
                  exit_reason) trades
 GROUP BY bot_id, account, exit_reason;

-- Closed trades by bot and symbol, since ever.
CREATE VIEW analytics.symbol_performance AS
SELECT bot_id, account, symbol,
       count(*) AS trades,
       count(*) FILTER (WHERE net_pnl > 0) AS wins,
       count(*) FILTER (WHERE net_pnl < 0) AS losses,
       count(*) FILTER (WHERE net_pnl = 0) AS breakeven,
       (count(*) FILTER (WHERE net_pnl > 0))::numeric / count(*) AS win_rate,
       coalesce(sum(net_pnl) FILTER (WHERE net_pnl > 0), 0) AS gross_profit,
       coalesce(-sum(net_pnl) FILTER (WHERE net_pnl < 0), 0) AS gross_loss,
       sum(net_pnl) FILTER (WHERE net_pnl > 0)
           / nullif(-sum(net_pnl) FILTER (WHERE net_pnl < 0), 0) AS profit_factor,
       sum(volume) AS volume,
       sum(fees) AS fees,
       sum(funding) AS funding,
       sum(net_pnl) AS net_pnl,
       avg(net_pnl) AS avg_pnl,
       max(net_pnl) AS best,
       min(net_pnl) AS worst,
       avg(extract(epoch FROM held)) AS avg_hold_seconds,
       max(last_exit) AS last_exit
  FROM (SELECT bot_id, account, symbol, sum(net_pnl) AS net_pnl, sum(total_commission) AS fees,
               sum(funding) AS funding, sum(quantity * (entry_price + exit_price)) AS volume,
               max(exit_time) - min(entry_time) AS held, max(exit_time) AS last_exit
          FROM trading.completed_trades
         GROUP BY bot_id, account, symbol, coalesce(nullif(entry_order_id, ''), entry_exec_id)
       ) trades
 GROUP BY bot_id, account, symbol;

-- -- materialized -------------------------------------------------------------------------------

CREATE MATERIALIZED VIEW analytics.active_positions_summary AS
SELECT bot_id, account, symbol, side, position_id, size, avg_entry_price, num_entries,
       current_price, price_time, exposure, unrealized_pnl, realized_pnl, fees, funding, leverage,
       stop_loss, take_profit, opened_at
  FROM trading.position_summaries;
CREATE UNIQUE INDEX active_positions_summary_key
    ON analytics.active_positions_summary (bot_id, symbol, side, account);

-- Age is a matter of when it is asked.
CREATE VIEW analytics.active_positions_view AS
SELECT s.*,
       extract(epoch FROM greatest(trading.venue_now(s.account) - s.opened_at, interval '0'))
           AS age_seconds
  FROM analytics.active_positions_summary s;

CREATE MATERIALIZED VIEW analytics.daily_performance_summary AS
SELECT * FROM trading.bot_daily_performance;
CREATE UNIQUE INDEX daily_performance_summary_key
    ON analytics.daily_performance_summary (trade_date, bot_id);

CREATE VIEW analytics.daily_performance_view AS
SELECT d.*, b.bot_name, b.strategy_name,
       sum(d.net_pnl) OVER (PARTITION BY d.bot_id ORDER BY d.trade_date) AS cumulative_pnl
  FROM analytics.daily_performance_summary d
  JOIN trading.bots b ON b.bot_id = d.bot_id AND b.bot_id <> 'manual';

-- How the daily results of two bots go together, over the days on which both closed trades; NULL
-- where there are fewer than two such days, or one of them has the same result on all.
CREATE MATERIALIZED VIEW analytics.bot_correlation AS
SELECT a.bot_id AS bot_a, b.bot_id AS bot_b, count(*) AS days,
       corr(a.net_pnl::float8, b.net_pnl::float8) AS correlation
  FROM analytics.daily_performance_summary a
  JOIN analytics.daily_performance_summary b
    ON b.trade_date = a.trade_date AND b.bot_id > a.bot_id
 GROUP BY a.bot_id, b.bot_id;
CREATE UNIQUE INDEX bot_correlation_key ON analytics.bot_correlation (bot_a, bot_b);

-- -- one row about all --------------------------------------------------------------------------

CREATE VIEW analytics.system_health_dashboard AS
SELECT clock_timestamp() AS at,
       (SELECT max(version) FROM config.schema_migrations) AS schema_version,
       pg_database_size(current_database()) AS database_bytes,
       b.bots, b.bots_running, b.bots_failed, b.total_equity,
       b.oldest_process_heartbeat, b.newest_decision,
       (SELECT count(*) FROM config.leases WHERE expires_at > clock_timestamp()) AS accounts_held,
       (SELECT count(*) FROM config.standbys WHERE seen_at > clock_timestamp() - interval '30 s')
           AS standbys,
       (SELECT min(verified) FROM config.marks) AS verified_until,
       (SELECT max(exec_time) FROM trading.fills) AS last_fill,
       (SELECT count(*) FROM trading.fills WHERE exec_time > n.day_ago) AS fills_24h,
       (SELECT coalesce(sum(net_pnl), 0) FROM analytics.daily_performance_summary
         WHERE trade_date = (n.now AT TIME ZONE 'UTC')::date) AS net_pnl_today,
       (SELECT count(*) FROM trading.positions WHERE closed_at IS NULL) AS open_positions,
       (SELECT count(*) FROM trading.orders
         WHERE state IN ('pending', 'sent', 'unknown', 'acked', 'open', 'partially_filled'))
           AS live_orders,
       e.warnings_24h, e.errors_24h, e.last_error
  FROM (SELECT count(*) AS bots,
               count(*) FILTER (WHERE status = 'running') AS bots_running,
               count(*) FILTER (WHERE status = 'failed') AS bots_failed,
               sum(current_equity) AS total_equity,
               min(process_heartbeat) FILTER (WHERE status NOT IN ('disabled', 'archived'))
                   AS oldest_process_heartbeat,
               max(last_heartbeat) AS newest_decision
          FROM trading.bots WHERE bot_id <> 'manual') b,
       (SELECT count(*) FILTER (WHERE event_level = 'WARNING') AS warnings_24h,
               count(*) FILTER (WHERE event_level IN ('ERROR', 'CRITICAL')) AS errors_24h,
               max(event_time) FILTER (WHERE event_level IN ('ERROR', 'CRITICAL')) AS last_error
          FROM audit.system_events WHERE event_time > clock_timestamp() - interval '24 h') e,
       (SELECT now, now - interval '24 h' AS day_ago
          FROM (SELECT coalesce(max(trading.venue_now(account)), clock_timestamp()) AS now
                  FROM trading.accounts) t) n;
