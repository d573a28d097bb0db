-- What the exchange showed last, what happened, and what an operator decided.

-- name: save_position
INSERT INTO trading.exchange_positions AS p (
    account, symbol, position_idx, signed_size, entry_price, mark_price, leverage, liq_price,
    unrealised_pnl, stop_loss, take_profit, trailing_stop, seq, source, exchange_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (account, symbol, position_idx) DO UPDATE SET
    signed_size = excluded.signed_size, entry_price = excluded.entry_price,
    mark_price = excluded.mark_price, leverage = excluded.leverage,
    liq_price = excluded.liq_price, unrealised_pnl = excluded.unrealised_pnl,
    stop_loss = excluded.stop_loss, take_profit = excluded.take_profit,
    trailing_stop = excluded.trailing_stop, seq = excluded.seq, source = excluded.source,
    exchange_time = excluded.exchange_time
 WHERE (excluded.seq, excluded.exchange_time) >= (p.seq, p.exchange_time);

-- name: record_event
-- An event that is written again, because the answer was lost, is there once.
INSERT INTO audit.system_events (
    event_type, event_level, message, component, account, bot_id, symbol, order_id, details,
    event_time)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb,
       coalesce($10::timestamptz, clock_timestamp())
 WHERE NOT EXISTS (
    SELECT FROM audit.system_events
     WHERE event_time = $10 AND event_type = $1 AND message = $3
       AND account IS NOT DISTINCT FROM $5 AND bot_id IS NOT DISTINCT FROM $6
       AND symbol IS NOT DISTINCT FROM $7);
