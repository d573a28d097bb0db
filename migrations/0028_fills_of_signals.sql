-- What became of each signal, as before, but an order's fills are found by its executions: there is
-- no index of fills by order any more, and an account may have a million of them.
-- An entry is settled once all that it has opened is closed, an exit once its order is over; the
-- result is net of fees, with funding.
CREATE OR REPLACE VIEW trading.signal_results AS
SELECT s.account, s.bot_id, s.ordinal, s.place, s.symbol, s.timestamp, s.settled AS was_settled,
       CASE WHEN d.is_refused THEN s.rejected_by
            WHEN d.is_vain THEN coalesce(o.rejected_by, 'exchange') END AS rejected_by,
       CASE WHEN d.is_refused THEN s.rejection_reason
            WHEN d.is_vain THEN o.reject_reason END AS rejection_reason,
       d.is_refused OR d.is_vain AS rejected,
       d.is_executed AS executed,
       o.sent_at, o.acked_at, e.filled_at, f.execution_time,
       CASE WHEN d.is_refused THEN 'not_executed'
            WHEN NOT d.is_over OR NOT d.is_closed THEN NULL
            WHEN NOT d.is_executed THEN 'not_executed'
            WHEN t.net_pnl > 0 THEN 'winner'
            WHEN t.net_pnl < 0 THEN 'loser'
            WHEN t.net_pnl = 0 THEN 'breakeven' END AS outcome,
       CASE WHEN d.is_over AND d.is_closed THEN t.net_pnl END AS outcome_pnl,
       d.is_refused OR s.order_link_id IS NULL OR (d.is_over AND d.is_closed) AS settled
  FROM trading.signals s
  LEFT JOIN trading.orders o ON o.account = s.account AND o.order_link_id = s.order_link_id
  LEFT JOIN LATERAL (
        SELECT sum(x.exec_qty) AS qty, min(x.exec_time) AS execution_time
          FROM trading.executions z
         CROSS JOIN LATERAL (
                SELECT * FROM trading.fills y
                 WHERE y.account = z.account AND y.symbol = z.symbol
                   AND y.exec_id BETWEEN z.exec_id AND z.exec_id AND y.bot_id = s.bot_id
                 ORDER BY y.exec_id OFFSET 0) x
         WHERE z.account = o.account AND z.order_id = o.exchange_order_id) f ON true
  LEFT JOIN LATERAL (
        SELECT min(x.received_at) AS filled_at
          FROM trading.executions x
         WHERE x.account = o.account AND x.order_id = o.exchange_order_id
           AND x.source IN ('stream', 'paper')) e ON true
  LEFT JOIN LATERAL (
        SELECT CASE WHEN x.effect = 'entry' THEN sum(r.net_pnl) ELSE sum(c.net_pnl) END AS net_pnl,
               bool_and(coalesce(p.remaining_qty, 0) = 0) AS is_closed
          FROM trading.executions z
         CROSS JOIN LATERAL (
                SELECT * FROM trading.fills y
                 WHERE y.account = z.account AND y.symbol = z.symbol
                   AND y.exec_id BETWEEN z.exec_id AND z.exec_id AND y.bot_id = s.bot_id
                 ORDER BY y.exec_id OFFSET 0) x
          LEFT JOIN trading.position_entries p
            ON x.effect = 'entry' AND p.account = x.account AND p.symbol = x.symbol
           AND p.exec_id = x.exec_id AND p.bot_id = x.bot_id
          LEFT JOIN LATERAL (
                SELECT sum(y.net_pnl) AS net_pnl
                  FROM trading.completed_trades y
                 WHERE y.account = x.account AND y.symbol = x.symbol
                   AND y.entry_exec_id = x.exec_id AND y.bot_id = x.bot_id) r
            ON x.effect = 'entry'
          LEFT JOIN LATERAL (
                SELECT sum(y.net_pnl) AS net_pnl
                  FROM trading.completed_trades y
                 WHERE y.account = x.account AND y.symbol = x.symbol
                   AND y.exit_time = x.exec_time AND y.exit_exec_id = x.exec_id
                   AND y.bot_id = x.bot_id) c
            ON x.effect = 'exit'
         WHERE z.account = o.account AND z.order_id = o.exchange_order_id
           AND x.effect = CASE WHEN s.signal_type IN ('long', 'short')
                               THEN 'entry' ELSE 'exit' END
         GROUP BY x.effect) t ON true
  CROSS JOIN LATERAL (
        SELECT s.order_link_id IS NULL AND s.rejected_by IS NOT NULL AS is_refused,
               coalesce(f.qty, 0) > 0 AS is_executed,
               coalesce(o.state IN ('never_accepted', 'rejected', 'deactivated', 'cancelled',
                                    'filled')
                        AND coalesce(f.qty, 0) >= o.filled_qty, false) AS is_over,
               coalesce(o.state IN ('never_accepted', 'rejected', 'deactivated', 'cancelled')
                        AND coalesce(f.qty, 0) = 0 AND o.filled_qty = 0, false) AS is_vain,
               coalesce(t.is_closed, true) AS is_closed) d;
