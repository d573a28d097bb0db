-- Sums over a bot's whole history are read from indexes alone, and rare orders found without
-- reading the others: what a start and the reports ask, however large the ledger is.

DROP INDEX trading.fills_by_bot;
CREATE INDEX fills_by_bot ON trading.fills (bot_id, exec_time DESC)
    INCLUDE (account, realised, commission);
DROP INDEX trading.completed_trades_by_bot;
CREATE INDEX completed_trades_by_bot ON trading.completed_trades (bot_id, exit_time DESC)
    INCLUDE (account, net_pnl);
DROP INDEX trading.orders_by_bot;
CREATE INDEX orders_by_bot ON trading.orders (bot_id, decided_at DESC) INCLUDE (account);
-- Exits that ended with something left.
CREATE INDEX orders_unfinished_exits ON trading.orders (account, bot_id, symbol)
    WHERE purpose = 'exit' AND filled_qty < qty
      AND state IN ('never_accepted', 'rejected', 'deactivated', 'cancelled');
