-- Leases on accounts, on the database's clock.

-- name: acquire
-- One account: free, expired, ours already, or of the same installation when $5 allows it.
-- A live lease of somebody else is left alone: no row comes back. The row as it was before
-- says how long its owner's last requests may still be on their way.
WITH before AS (
    SELECT installation, expires_at FROM config.leases WHERE account = $1
)
INSERT INTO config.leases AS l (account, holder, installation, epoch, acquired_at, expires_at)
VALUES ($1, $2, $3, 1, clock_timestamp(),
        clock_timestamp() + $4::integer * interval '1 millisecond')
ON CONFLICT (account) DO UPDATE SET
    holder = excluded.holder, installation = excluded.installation, epoch = l.epoch + 1,
    acquired_at = clock_timestamp(),
    expires_at = clock_timestamp() + $4::integer * interval '1 millisecond'
 WHERE l.expires_at <= clock_timestamp()
    OR l.holder = excluded.holder
    OR ($5::boolean AND l.installation = excluded.installation)
RETURNING l.epoch,
    (SELECT installation FROM before) AS installation_before,
    (SELECT extract(epoch FROM expires_at - clock_timestamp()) * 1000 FROM before)::integer
        AS expires_in_ms;

-- name: show
SELECT account, holder, installation, epoch, acquired_at, expires_at
  FROM config.leases
 WHERE account = $1;

-- name: renew
UPDATE config.leases l
   SET expires_at = clock_timestamp() + $4::integer * interval '1 millisecond'
  FROM unnest($1::text[], $2::bigint[]) AS held(account, epoch)
 WHERE l.account = held.account AND l.epoch = held.epoch AND l.holder = $3
RETURNING l.account;

-- name: release
-- A clean stop leaves nothing on its way: the next owner need not wait ($4 is that wait).
UPDATE config.leases l
   SET expires_at = clock_timestamp() - $4::integer * interval '1 millisecond'
  FROM unnest($1::text[], $2::bigint[]) AS held(account, epoch)
 WHERE l.account = held.account AND l.epoch = held.epoch AND l.holder = $3;
