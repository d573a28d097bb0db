-- A projection's row of the ledger is looked up once for all rows of a statement: for each of them
-- by itself it was a seventh of what a fill costs. Whoever inserts many rows forbids sorts, hashes
-- and merges (alpha/ledger/writes.sql), so that a plan made while the tables were small reads
-- by key for ever. BETWEEN and ORDER BY instead of "=": in a table that is new, or has grown since
-- it was last analyzed, "=" costs the planner the same by executions_ledger_order, which reads
-- every execution of the symbol for each row (measured at 16,000: three times the time).
CREATE FUNCTION trading.expect_ledger_rows() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    lost record;
BEGIN
    IF TG_TABLE_NAME = 'positions' THEN
        SELECT n.account, n.symbol, n.opened_by AS named INTO lost FROM inserted n
          LEFT JOIN LATERAL (
                SELECT true AS known FROM trading.executions e
                 WHERE e.account = n.account AND e.symbol = n.symbol
                   AND e.exec_id BETWEEN n.opened_by AND n.opened_by
                 ORDER BY e.exec_id LIMIT 1) AS e ON true
         WHERE e.known IS NULL
           AND NOT (n.bot_id = 'manual' AND EXISTS (
                   SELECT FROM trading.adjustments a WHERE a.account = n.account
                      AND a.symbol = n.symbol AND a.exec_id = n.opened_by))
         LIMIT 1;
    ELSE
        SELECT n.account, n.symbol, n.exec_id AS named INTO lost FROM inserted n
          LEFT JOIN LATERAL (
                SELECT true AS known FROM trading.executions e
                 WHERE e.account = n.account AND e.symbol = n.symbol
                   AND e.exec_id BETWEEN n.exec_id AND n.exec_id
                 ORDER BY e.exec_id LIMIT 1) AS e ON true
         WHERE e.known IS NULL
           AND NOT (n.bot_id = 'manual' AND EXISTS (
                   SELECT FROM trading.adjustments a WHERE a.account = n.account
                      AND a.symbol = n.symbol AND a.exec_id = n.exec_id))
         LIMIT 1;
    END IF;
    IF FOUND THEN
        RAISE EXCEPTION '%.%: expected a row of the ledger, was % of %, %',
            TG_TABLE_SCHEMA, TG_TABLE_NAME, lost.named, lost.account, lost.symbol
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END;
$$;

DROP TRIGGER ledger_row ON trading.fills;
DROP TRIGGER ledger_row ON trading.position_entries;
DROP TRIGGER ledger_row ON trading.positions;
DROP FUNCTION trading.expect_ledger_row();
CREATE TRIGGER ledger_row AFTER INSERT ON trading.fills REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION trading.expect_ledger_rows();
CREATE TRIGGER ledger_row AFTER INSERT ON trading.position_entries
    REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION trading.expect_ledger_rows();
CREATE TRIGGER ledger_row AFTER INSERT ON trading.positions REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION trading.expect_ledger_rows();
