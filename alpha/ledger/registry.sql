-- Accounts and bots: written at start, then status, equity and heartbeats.

-- name: upsert_account
INSERT INTO trading.accounts AS a (account, mode, netting, api_key_hash)
VALUES ($1, $2, $3, $4)
ON CONFLICT (account) DO UPDATE SET
    mode = excluded.mode, netting = excluded.netting,
    api_key_hash = coalesce(excluded.api_key_hash, a.api_key_hash);

-- name: upsert_bot
INSERT INTO trading.bots AS b (
    bot_id, account, bot_name, bot_type, strategy_name, status, mode, initial_capital, redis_db,
    plugin_version, description)
VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (bot_id, account) DO UPDATE SET
    bot_name = excluded.bot_name, bot_type = excluded.bot_type,
    strategy_name = excluded.strategy_name, status = excluded.status, mode = excluded.mode,
    initial_capital = coalesce(excluded.initial_capital, b.initial_capital),
    redis_db = excluded.redis_db,
    plugin_version = coalesce(excluded.plugin_version, b.plugin_version),
    description = coalesce(excluded.description, b.description);

-- name: set_uid
UPDATE trading.accounts SET uid = $2 WHERE account = $1 AND uid IS DISTINCT FROM $2;

-- name: forget_owners
DELETE FROM config.symbol_owners WHERE account = $1;

-- name: insert_owners
INSERT INTO config.symbol_owners (account, symbol, bot_id)
SELECT $1, o.symbol, o.bot_id FROM unnest($2::text[], $3::text[]) AS o(symbol, bot_id);

-- name: insert_tag
-- The code book only grows; a code that is already there keeps its meaning.
INSERT INTO config.order_tags (code, reason, is_entry, plugin) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING;

-- name: insert_qty_steps
-- What differs from the newest step that the account knows holds from $4 on. The first step of a
-- symbol that it has never traded holds since ever.
INSERT INTO config.quantity_steps (account, symbol, since, qty_step)
SELECT $1, t.symbol,
       CASE WHEN k.qty_step IS NULL
             AND NOT EXISTS (SELECT FROM trading.executions e
                              WHERE e.account = $1 AND e.symbol = t.symbol)
            THEN 'epoch' ELSE $4::timestamptz END,
       t.qty_step
  FROM unnest($2::text[], $3::numeric[]) AS t(symbol, qty_step)
  LEFT JOIN (SELECT DISTINCT ON (symbol) symbol, qty_step FROM config.quantity_steps
              WHERE account = $1 ORDER BY symbol, since DESC) k USING (symbol)
 WHERE k.qty_step IS DISTINCT FROM t.qty_step
ON CONFLICT (account, symbol, since) DO NOTHING;

-- name: set_status
UPDATE trading.bots SET status = $3, status_reason = $4 WHERE bot_id = $1 AND account = $2;

-- name: heartbeat
UPDATE trading.bots b
   SET process_heartbeat = clock_timestamp(),
       last_heartbeat = coalesce(h.decided, b.last_heartbeat),
       current_equity = coalesce(h.equity, b.current_equity)
  FROM unnest($2::text[], $3::timestamptz[], $4::numeric[]) AS h(bot_id, decided, equity)
 WHERE b.account = $1 AND b.bot_id = h.bot_id;

-- name: other_mode
-- The mode of its accounts is the database's marker.
SELECT account, mode FROM trading.accounts WHERE mode <> $1 ORDER BY account LIMIT 1;

-- name: stopped_bots
SELECT bot_id, status_reason FROM trading.bots
 WHERE status IN ('paused', 'failed') AND status_reason = ANY ($1::text[]);
