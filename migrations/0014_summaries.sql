-- What takes seconds to compute from a large ledger is materialized for dashboards, too.

DROP VIEW analytics.symbol_performance;
CREATE MATERIALIZED VIEW analytics.symbol_performance AS
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
CREATE UNIQUE INDEX symbol_performance_key
    ON analytics.symbol_performance (bot_id, symbol, account);

-- trading.exit_reason_analysis of a moment ago.
CREATE MATERIALIZED VIEW analytics.exit_reason_summary AS
SELECT * FROM trading.exit_reason_analysis;
CREATE UNIQUE INDEX exit_reason_summary_key
    ON analytics.exit_reason_summary (bot_id, exit_reason, account);
