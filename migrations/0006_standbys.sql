-- Daemons that wait for accounts which another one holds. They write nothing else.

CREATE TABLE config.standbys (
    installation text PRIMARY KEY,
    holder       text NOT NULL,
    accounts     text[] NOT NULL,
    seen_at      timestamptz NOT NULL
);
