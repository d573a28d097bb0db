-- What is written down beside the ledger: computed from it, or seen while it was written.

-- name: limit
-- Simple protocol. Nothing here may hold anybody up, and look-ups are by key however small a table
-- is when a plan for it is made.
SET LOCAL lock_timeout = '2s';
SET LOCAL idle_in_transaction_session_timeout = '5s';
SET LOCAL statement_timeout = '20s';
SET LOCAL enable_seqscan = off;

-- name: settle_signals
-- What has become of the signals of these accounts that are not settled yet.
UPDATE trading.signals s
   SET rejected_by = r.rejected_by, rejection_reason = r.rejection_reason, rejected = r.rejected,
       executed = r.executed, sent_at = r.sent_at, acked_at = r.acked_at,
       filled_at = r.filled_at, execution_time = r.execution_time, outcome = r.outcome,
       outcome_pnl = r.outcome_pnl, settled = r.settled
  FROM trading.signal_results r
 WHERE r.account = ANY ($1::text[]) AND NOT r.was_settled
   AND s.bot_id = r.bot_id AND s.account = r.account AND s.ordinal = r.ordinal
   AND s.place = r.place
   AND (s.rejected, s.executed, s.sent_at, s.acked_at, s.filled_at, s.execution_time, s.outcome,
        s.outcome_pnl, s.settled)
       IS DISTINCT FROM
       (r.rejected, r.executed, r.sent_at, r.acked_at, r.filled_at, r.execution_time, r.outcome,
        r.outcome_pnl, r.settled);

-- name: reopen_signals
-- The books of an account's symbol have changed from some moment on: what became of its signals
-- since then is found out anew.
UPDATE trading.signals
   SET settled = false
 WHERE account = $1 AND symbol = $2 AND timestamp >= $3 AND order_link_id IS NOT NULL AND settled;
