-- Daemons that wait, on the database's clock.

-- name: waits
INSERT INTO config.standbys (installation, holder, accounts, seen_at)
VALUES ($1, $2, $3, clock_timestamp())
ON CONFLICT (installation) DO UPDATE SET
    holder = excluded.holder, accounts = excluded.accounts, seen_at = excluded.seen_at;

-- name: waits_no_more
DELETE FROM config.standbys
 WHERE installation = $1 OR seen_at < clock_timestamp() - interval '1 day';

-- name: daemons
-- Owners of live leases, then those who have said within 10 s that they wait.
SELECT holder, true AS is_active, array_agg(account ORDER BY account) AS accounts,
       min(expires_at) AS at
  FROM config.leases
 WHERE expires_at > clock_timestamp()
 GROUP BY holder
UNION ALL
SELECT holder, false, accounts, seen_at
  FROM config.standbys
 WHERE seen_at > clock_timestamp() - interval '10 seconds'
 ORDER BY is_active DESC, holder;
