-- What makes the books the same for ever: guards that nobody bypasses, quantity steps with their
-- history, who or what has decided an override, adjustments as rows of the ledger.

-- Also a superuser with session_replication_role = replica runs into these.
ALTER TABLE trading.executions ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE trading.executions ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE trading.attribution_overrides ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE trading.attribution_overrides ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE trading.adjustments ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE trading.adjustments ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE audit.command_log ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE audit.command_log ENABLE ALWAYS TRIGGER append_only_truncate;

-- The quantity step that an account was told, each from when it was first seen (the exchange's
-- clock): shares of a forced trade are multiples of the step that was in force then.
CREATE TABLE config.quantity_steps (
    account    text NOT NULL REFERENCES trading.accounts,
    symbol     text NOT NULL,
    since      timestamptz NOT NULL,
    qty_step   numeric(28, 12) NOT NULL CHECK (qty_step > 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, symbol, since)
);
INSERT INTO config.quantity_steps (account, symbol, since, qty_step)
SELECT a.account, i.symbol, 'epoch', i.qty_step
  FROM trading.accounts a CROSS JOIN config.instruments i;
DROP TABLE config.instruments;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON config.quantity_steps
    FOR EACH ROW EXECUTE FUNCTION config.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON config.quantity_steps
    FOR EACH STATEMENT EXECUTE FUNCTION config.refuse_change();
ALTER TABLE config.quantity_steps ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE config.quantity_steps ENABLE ALWAYS TRIGGER append_only_truncate;

-- A person, or a bot's policy for manual trades. The writer may send a row again.
ALTER TABLE trading.attribution_overrides
    ADD COLUMN source text NOT NULL DEFAULT 'operator' CHECK (source IN ('operator', 'policy'));
CREATE UNIQUE INDEX attribution_overrides_once
    ON trading.attribution_overrides (account, symbol, exec_id, created_at);

-- An adjustment has a place in the ledger like an execution, and an id of its own.
ALTER TABLE trading.adjustments
    ADD COLUMN exec_id text NOT NULL CHECK (exec_id LIKE 'adjustment-%'),
    ADD COLUMN exec_time timestamptz NOT NULL,
    ADD CHECK (qty <> 0),
    ADD CHECK (price >= 0),
    ADD UNIQUE (account, symbol, exec_id);

-- Everything that the books are computed from, in the columns of the executions.
CREATE VIEW trading.ledger_rows AS
SELECT account, symbol, exec_id, order_id, order_link_id, side, exec_type, price, qty, value, fee,
       fee_currency, fee_rate, leaves_qty, closed_size, is_maker, create_type, order_type,
       stop_order_type, exec_time, seq, exec_pnl, mark_price, source, received_at
  FROM trading.executions
UNION ALL
SELECT account, symbol, exec_id, '', '', CASE WHEN qty > 0 THEN 'Buy' ELSE 'Sell' END,
       'Adjustment', price, abs(qty), round(abs(qty) * price, 12), 0, 'USDT', NULL, 0, NULL, false,
       operator, note, '', exec_time, 0, NULL, NULL, 'import', created_at
  FROM trading.adjustments;

-- A projection names a row of the ledger: an execution, or an adjustment of `manual`.
ALTER TABLE trading.fills DROP CONSTRAINT fills_account_symbol_exec_id_fkey;
ALTER TABLE trading.position_entries DROP CONSTRAINT position_entries_account_symbol_exec_id_fkey;
ALTER TABLE trading.positions DROP CONSTRAINT positions_account_symbol_opened_by_fkey;

CREATE FUNCTION trading.expect_ledger_row() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    named text;
BEGIN
    IF TG_TABLE_NAME = 'positions' THEN
        named := NEW.opened_by;
    ELSE
        named := NEW.exec_id;
    END IF;
    PERFORM FROM trading.executions
      WHERE account = NEW.account AND symbol = NEW.symbol AND exec_id = named;
    IF NOT FOUND AND NEW.bot_id = 'manual' THEN
        PERFORM FROM trading.adjustments
          WHERE account = NEW.account AND symbol = NEW.symbol AND exec_id = named;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION '%.%: expected a row of the ledger, was % of %, %',
            TG_TABLE_SCHEMA, TG_TABLE_NAME, named, NEW.account, NEW.symbol
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NEW;
END;
$$;
CREATE TRIGGER ledger_row BEFORE INSERT ON trading.fills
    FOR EACH ROW EXECUTE FUNCTION trading.expect_ledger_row();
CREATE TRIGGER ledger_row BEFORE INSERT ON trading.position_entries
    FOR EACH ROW EXECUTE FUNCTION trading.expect_ledger_row();
CREATE TRIGGER ledger_row BEFORE INSERT ON trading.positions
    FOR EACH ROW EXECUTE FUNCTION trading.expect_ledger_row();
