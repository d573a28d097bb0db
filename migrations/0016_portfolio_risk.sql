-- Portfolio limits: where each scope stands, what is in force, and what has happened.
-- `subject` is the account's name, the bot's id, or for everything the accounts joined by '+'.

CREATE TABLE trading.risk_anchors (
    scope       text NOT NULL CHECK (scope IN ('overall', 'account', 'bot')),
    subject     text NOT NULL,
    accounts    text[] NOT NULL CHECK (cardinality(accounts) > 0),
    account     text REFERENCES trading.accounts,
    bot_id      text,
    day         date NOT NULL,
    day_equity  numeric(20, 8) NOT NULL,
    day_result  numeric(20, 8) NOT NULL,
    week        date NOT NULL CHECK (extract(isodow FROM week) = 1),
    week_equity numeric(20, 8) NOT NULL,
    week_result numeric(20, 8) NOT NULL,
    peak_equity numeric(20, 8) NOT NULL,
    peak_result numeric(20, 8) NOT NULL,
    seen_at     timestamptz NOT NULL,
    equity      numeric(20, 8) NOT NULL,
    result      numeric(20, 8) NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (scope, subject),
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots,
    CHECK ((scope = 'overall') = (account IS NULL)),
    CHECK ((scope = 'bot') = (bot_id IS NOT NULL))
);

-- The newest word on each limit that was ever broken, and on halts: in force, or over.
CREATE TABLE trading.risk_state (
    scope       text NOT NULL CHECK (scope IN ('overall', 'account', 'bot')),
    subject     text NOT NULL,
    limit_name  text NOT NULL CHECK (limit_name IN (
        'daily_loss', 'weekly_loss', 'drawdown', 'gross_exposure', 'net_exposure', 'leverage',
        'concentration', 'open_positions', 'orders_per_minute', 'halt', 'flatten')),
    accounts    text[] NOT NULL CHECK (cardinality(accounts) > 0),
    account     text REFERENCES trading.accounts,
    bot_id      text,
    in_force    boolean NOT NULL,
    action      text NOT NULL CHECK (action IN ('warn', 'block_entries', 'reduce', 'flatten', 'halt')),
    value       numeric(20, 8) NOT NULL,
    limit_value numeric(20, 8) NOT NULL,
    since       timestamptz NOT NULL,
    noticed_at  timestamptz NOT NULL,
    why         text NOT NULL,
    operator    text,
    breach_id   uuid NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (scope, subject, limit_name),
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots,
    CHECK ((scope = 'overall') = (account IS NULL)),
    CHECK ((scope = 'bot') = (bot_id IS NOT NULL))
);

CREATE TABLE audit.risk_events (
    event_id           uuid PRIMARY KEY,
    event_time         timestamptz NOT NULL,
    recorded_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    event              text NOT NULL CHECK (event IN ('breach', 'action', 'resolution')),
    breach_id          uuid NOT NULL,
    scope              text NOT NULL CHECK (scope IN ('overall', 'account', 'bot')),
    account            text REFERENCES trading.accounts,
    bot_id             text,
    risk_type          text NOT NULL,
    current_value      numeric(20, 8),
    limit_value        numeric(20, 8),
    share_used         numeric(14, 8),
    action_taken       text NOT NULL,
    positions_affected integer NOT NULL DEFAULT 0 CHECK (positions_affected >= 0),
    trades_cancelled   integer NOT NULL DEFAULT 0 CHECK (trades_cancelled >= 0),
    operator           text,
    notes              text NOT NULL DEFAULT '',
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots
);
CREATE INDEX risk_events_by_time ON audit.risk_events (event_time DESC);
CREATE INDEX risk_events_by_breach ON audit.risk_events (breach_id, event);

-- One row for each breach or halt, with how it ended.
CREATE VIEW audit.risk_breaches AS
SELECT b.event_id, b.event_time, b.scope, b.account, b.bot_id, b.risk_type, b.current_value,
       b.limit_value, b.share_used, b.action_taken,
       greatest(b.positions_affected, coalesce(a.positions, 0)) AS positions_affected,
       greatest(b.trades_cancelled, coalesce(a.trades, 0)) AS trades_cancelled,
       r.event_time IS NOT NULL AS resolved, r.event_time AS resolved_at,
       coalesce(r.notes, '') AS resolution_notes
  FROM audit.risk_events b
  LEFT JOIN LATERAL (SELECT sum(positions_affected)::integer AS positions,
                            sum(trades_cancelled)::integer AS trades
                       FROM audit.risk_events x
                      WHERE x.breach_id = b.breach_id AND x.event = 'action') a ON true
  LEFT JOIN LATERAL (SELECT x.event_time, x.notes FROM audit.risk_events x
                      WHERE x.breach_id = b.breach_id AND x.event = 'resolution'
                      ORDER BY x.event_time LIMIT 1) r ON true
 WHERE b.event = 'breach';

CREATE TRIGGER touch BEFORE UPDATE ON trading.risk_anchors
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
CREATE TRIGGER touch BEFORE UPDATE ON trading.risk_state
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit.risk_events
    FOR EACH ROW EXECUTE FUNCTION config.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON audit.risk_events
    FOR EACH STATEMENT EXECUTE FUNCTION config.refuse_change();
ALTER TABLE audit.risk_events ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE audit.risk_events ENABLE ALWAYS TRIGGER append_only_truncate;
