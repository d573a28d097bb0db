-- Leases on accounts, on the database's clock.

-- name: before
-- Locks the row as it is before `acquire`. How long the last requests of an earlier owner may
-- still be on their way: counted from the end of its lease, or, when this installation restarts
-- soon after it has taken the account from somebody, from then ($3 is that wait). NULL, not an
-- infinite time: nothing can be subtracted from one in PostgreSQL 15.
SELECT greatest(0, extract(epoch FROM
           CASE WHEN installation <> $2 THEN expires_at
                WHEN epoch > 1 THEN acquired_at
                ELSE NULL END
           + $3::integer * interval '1 millisecond' - clock_timestamp()) * 1000)::float8 AS quiet_ms
  FROM config.leases
 WHERE account = $1
   FOR UPDATE;

-- name: acquire
-- One account: free, expired, ours already, or of the same installation when $5 allows it.
-- A live lease of somebody else is left alone: no row comes back.
INSERT INTO config.leases AS l (account, holder, installation, epoch, acquired_at, expires_at)
VALUES ($1, $2, $3, 1, clock_timestamp(),
        clock_timestamp() + $4::integer * interval '1 millisecond')
ON CONFLICT (account) DO UPDATE SET
    holder = excluded.holder, installation = excluded.installation, epoch = l.epoch + 1,
    acquired_at = CASE WHEN l.installation = excluded.installation THEN l.acquired_at
                       ELSE clock_timestamp() END,
    expires_at = clock_timestamp() + $4::integer * interval '1 millisecond'
 WHERE l.expires_at <= clock_timestamp()
    OR l.holder = excluded.holder
    OR ($5::boolean AND l.installation = excluded.installation)
RETURNING l.epoch;

-- name: limits
-- Whoever stops answering in the middle of a transaction must not hold its locks.
SET LOCAL lock_timeout = '2s';
SET LOCAL idle_in_transaction_session_timeout = '2s';

-- name: others
-- Live leases of other installations on these accounts. Reads only: somebody who waits must
-- never stand in the owner's way.
SELECT account, holder, expires_at,
       (extract(epoch FROM expires_at - clock_timestamp()) * 1000)::integer AS left_ms
  FROM config.leases
 WHERE account = ANY ($1::text[]) AND installation <> $2 AND expires_at > clock_timestamp()
 ORDER BY account;

-- name: holders
-- Who has, or had, these accounts.
SELECT DISTINCT holder FROM config.leases WHERE account = ANY ($1::text[]) ORDER BY holder;

-- name: any_other
-- Who else works on this database now, whatever the accounts.
SELECT holder FROM config.leases
 WHERE installation <> $1 AND expires_at > clock_timestamp() ORDER BY account LIMIT 1;

-- name: check
-- The accounts of $1 that are held under exactly this epoch; locked, so that a takeover waits
-- until this transaction has ended.
SELECT l.account
  FROM config.leases l
  JOIN unnest($1::text[], $2::bigint[]) AS held(account, epoch)
    ON held.account = l.account AND held.epoch = l.epoch
 WHERE l.holder = $3
   FOR SHARE OF l;

-- name: show
SELECT account, holder, installation, epoch, acquired_at, expires_at
  FROM config.leases
 WHERE account = $1;

-- name: renew
-- From when it was asked for: it may have waited for a transaction that had stopped answering.
UPDATE config.leases l
   SET expires_at = statement_timestamp() + $4::integer * interval '1 millisecond'
  FROM unnest($1::text[], $2::bigint[]) AS held(account, epoch)
 WHERE l.account = held.account AND l.epoch = held.epoch AND l.holder = $3
RETURNING l.account;

-- name: release
-- A clean stop leaves nothing on its way: the next owner need not wait ($4 is that wait).
UPDATE config.leases l
   SET expires_at = clock_timestamp() - $4::integer * interval '1 millisecond'
  FROM unnest($1::text[], $2::bigint[]) AS held(account, epoch)
 WHERE l.account = held.account AND l.epoch = held.epoch AND l.holder = $3;
