-- What scripts and notebooks ask through alpha.AlphaDB.

-- name: bot
SELECT b.account, b.redis_db, a.mode
  FROM trading.bots b JOIN trading.accounts a USING (account)
 WHERE b.bot_id = $1;

-- name: account_mode
SELECT mode FROM trading.accounts WHERE account = $1;

-- name: other_bots
SELECT bot_id FROM trading.bots WHERE account = $1 AND bot_id NOT IN ($2, 'manual') ORDER BY 1;

-- name: holder
-- Who trades on the account now.
SELECT holder FROM config.leases WHERE account = $1 AND expires_at > clock_timestamp();

-- name: heartbeat
-- Only while nobody trades on the account, whose own heartbeats these are then.
UPDATE trading.bots SET process_heartbeat = clock_timestamp(), last_heartbeat = clock_timestamp()
 WHERE bot_id = $1 AND account = $2
   AND NOT EXISTS (SELECT FROM config.leases
                    WHERE account = $2 AND expires_at > clock_timestamp())
RETURNING bot_id;

-- name: equity
UPDATE trading.bots SET current_equity = $3
 WHERE bot_id = $1 AND account = $2
   AND NOT EXISTS (SELECT FROM config.leases
                    WHERE account = $2 AND expires_at > clock_timestamp())
RETURNING bot_id;

-- name: execution
SELECT side, price, qty, fee, exec_time FROM trading.executions
 WHERE account = $1 AND symbol = $2 AND exec_id = $3;

-- name: fill_id
-- Of a flip the half that opens.
SELECT id FROM trading.fills
 WHERE account = $1 AND symbol = $2 AND exec_id = $3 AND bot_id = $4
 ORDER BY leg DESC LIMIT 1;

-- name: recent_fills
SELECT id, exec_time, symbol, side, exec_qty, exec_price, commission, effect, close_reason,
       realised, position_after, client_order_id, order_id, exec_id
  FROM trading.fills
 WHERE bot_id = $1 AND ($2::text IS NULL OR symbol = $2)
 ORDER BY exec_time DESC, seq DESC, order_id COLLATE "C" DESC, leg DESC, exec_id COLLATE "C" DESC
 LIMIT $3;

-- name: pnl_of_days
-- Round trips that ended on one of the last $3 UTC days, today included: net of fees, with their
-- share of funding.
SELECT coalesce(sum(net_pnl), 0) FROM trading.round_trips
 WHERE bot_id = $1
   AND exit_time >= (date_trunc('day', trading.venue_now($2) AT TIME ZONE 'UTC')
                     - ($3::integer - 1) * interval '1 day') AT TIME ZONE 'UTC';

-- name: trades_today
-- Entry orders that have filled today (UTC).
SELECT count(DISTINCT (symbol, coalesce(nullif(order_id, ''), exec_id))) FROM trading.fills
 WHERE bot_id = $1 AND effect = 'entry'
   AND exec_time >= date_trunc('day', trading.venue_now($2) AT TIME ZONE 'UTC')
                    AT TIME ZONE 'UTC';
