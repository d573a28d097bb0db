-- What a backup says of a database, from PostgreSQL's own catalogues.

-- name: schemas
SELECT nspname FROM pg_namespace WHERE nspname = ANY ($1::text[]) ORDER BY nspname;

-- name: has_migrations
SELECT to_regclass('config.schema_migrations') IS NOT NULL;

-- name: version
SELECT max(version) FROM config.schema_migrations;

-- name: has_accounts
SELECT to_regclass('trading.accounts') IS NOT NULL;

-- name: modes
SELECT DISTINCT mode FROM trading.accounts ORDER BY mode;

-- name: tables
-- Tables that hold rows of their own: partitions, not what they are partitions of.
SELECT n.nspname, c.relname
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY ($1::text[]) AND c.relkind = 'r'
 ORDER BY n.nspname, c.relname;

-- name: applied_since
-- When the database was made, as far as we are concerned.
SELECT min(applied_at) FROM config.schema_migrations;

-- name: set_aside
-- Schemas that a restore has put aside and that are still there: it was cut off.
SELECT nspname FROM pg_namespace WHERE nspname = ANY ($1::text[]) ORDER BY nspname;

-- name: contents
-- One thing that is in a database, unless it has come with an extension. $1: schemas of ours.
SELECT CASE WHEN n.nspname = ANY ($1::text[]) THEN 'a ledger'
            ELSE format('%s.%s', n.nspname, c.relname) END AS thing
  FROM pg_namespace n
  LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype = 'e')
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND (n.nspname = ANY ($1) OR c.oid IS NOT NULL)
 ORDER BY n.nspname <> ALL ($1), 1 LIMIT 1;

-- name: old_scratch
-- Scratch databases without the session that has made them, which goes by their name.
SELECT datname FROM pg_database AS made
 WHERE datname ~ '^alpha_scratch_[0-9]+_[0-9a-f]+$'
   AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = made.datname);

-- name: end_loaders
-- Ends our sessions that go by this name in this database, and waits ten seconds for each.
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = $1 AND usename = current_user;
