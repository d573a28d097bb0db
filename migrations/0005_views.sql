-- The views that people query. Bot statistics leave out 'manual'.

CREATE VIEW trading.trades_pnl AS
SELECT bot_id, account, symbol, side, entry_time, exit_time, entry_price, exit_price, quantity,
       gross_pnl, total_commission AS total_fees, funding, net_pnl,
       entry_reason, exit_reason AS close_reason, holding_duration_seconds AS holding_seconds
  FROM trading.completed_trades;

CREATE VIEW trading.current_positions AS
SELECT bot_id, account, symbol, side,
       sum(remaining_qty) AS total_qty,
       sum(remaining_qty * entry_price) / sum(remaining_qty) AS avg_entry_price,
       sum(remaining_qty * entry_price) AS total_cost,
       min(entry_time) AS first_entry_time,
       max(entry_time) AS last_entry_time,
       count(*) AS num_entries,
       sum(commission_left) AS total_entry_commission,
       jsonb_agg(jsonb_build_object(
           'exec_id', exec_id, 'qty', remaining_qty::text, 'price', entry_price::text,
           'time', entry_time, 'reason', entry_reason) ORDER BY entry_time, exec_id) AS entries
  FROM trading.position_entries
 WHERE remaining_qty > 0
 GROUP BY bot_id, account, symbol, side;

-- A trade, as people count them: what one entry order has opened, as far as it was closed on a
-- day. An order fills in pieces, and each piece is closed in pieces: those are completed_trades.
CREATE VIEW trading.daily_trades AS
SELECT (exit_time AT TIME ZONE 'UTC')::date AS trade_date,
       bot_id, account, symbol, entry_order_id,
       sum(gross_pnl) AS gross_pnl,
       sum(total_commission) AS total_commission,
       sum(funding) AS funding,
       sum(net_pnl) AS net_pnl,
       max(exit_time) - min(entry_time) AS held
  FROM trading.completed_trades
 GROUP BY 1, 2, 3, 4, 5;

CREATE VIEW trading.bot_daily_performance AS
SELECT trade_date,
       bot_id,
       count(*) AS trades,
       count(*) FILTER (WHERE net_pnl > 0) AS wins,
       count(*) FILTER (WHERE net_pnl < 0) AS losses,
       count(*) FILTER (WHERE net_pnl = 0) AS breakeven,
       (count(*) FILTER (WHERE net_pnl > 0))::numeric / count(*) AS win_rate,
       coalesce(sum(net_pnl) FILTER (WHERE net_pnl > 0), 0) AS gross_profit,
       coalesce(-sum(net_pnl) FILTER (WHERE net_pnl < 0), 0) AS gross_loss,
       sum(net_pnl) FILTER (WHERE net_pnl > 0)
           / nullif(-sum(net_pnl) FILTER (WHERE net_pnl < 0), 0) AS profit_factor,
       sum(net_pnl) AS net_pnl,
       sum(total_commission) AS fees,
       sum(funding) AS funding,
       avg(net_pnl) AS avg_pnl,
       max(net_pnl) AS best,
       min(net_pnl) AS worst,
       avg(extract(epoch FROM held)) AS avg_hold_seconds
  FROM trading.daily_trades
 WHERE bot_id <> 'manual'
 GROUP BY 1, 2;
