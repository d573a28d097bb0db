-- What is refreshed of the materialized views. CONCURRENTLY: whoever reads goes on reading.

-- name: limits
-- Two daemons on one database must not wait for each other.
SET LOCAL lock_timeout = '2s';
SET LOCAL synchronous_commit = off;

-- name: refresh_positions
REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.active_positions_summary;

-- name: refresh_days
REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.daily_performance_summary;

-- name: refresh_correlation
REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.bot_correlation;

-- name: refresh_symbols
REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.symbol_performance;

-- name: refresh_exit_reasons
REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.exit_reason_summary;
