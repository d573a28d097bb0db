-- What reports of closed trades are made of. $1 are the bots, or NULL: all together without
-- `manual`, whose rows have no bot_id; a window begins after $2.

-- name: closed
-- Results by kind of division and name; and a row of no kind for the whole, of which only the
-- seconds count in which a position was open, up to $3.
SELECT s.*,
       CASE WHEN s.kind IS NULL THEN (
            SELECT coalesce(extract(epoch FROM sum(upper(r) - lower(r))), 0)
              FROM unnest((coalesce(s.held, '{}') + tstzmultirange(tstzrange(coalesce((
                       SELECT min(l.entry_time) FROM trading.position_entries l
                        WHERE l.remaining_qty > 0
                          AND CASE WHEN $1::text[] IS NULL THEN l.bot_id <> 'manual'
                                   ELSE l.bot_id = s.bot_id END), 'infinity'), 'infinity')))
                   * tstzmultirange(tstzrange($2, $3))) r) END AS held_s
  FROM (SELECT b.bot_id, c.kind, c.name, sum(c.trades) AS trades, sum(c.wins) AS wins,
               sum(c.losses) AS losses, trim_scale(sum(c.gross_profit)) AS gross_profit,
               trim_scale(sum(c.gross_loss)) AS gross_loss, trim_scale(max(c.best)) AS best,
               trim_scale(min(c.worst)) AS worst, trim_scale(sum(c.gross_pnl)) AS gross_pnl,
               trim_scale(sum(c.fees)) AS fees, trim_scale(sum(c.funding)) AS funding,
               trim_scale(sum(c.net_pnl)) AS net_pnl, range_agg(c.held) AS held
          FROM unnest(coalesce($1::text[], '{NULL}')) AS b(bot_id)
          LEFT JOIN analytics.closed($1, $2::timestamptz + interval '1 microsecond', 'infinity') c
            ON CASE WHEN $1::text[] IS NULL THEN '' ELSE c.bot_id END = coalesce(b.bot_id, '')
         GROUP BY GROUPING SETS ((b.bot_id, c.kind, c.name), (b.bot_id))) s
 ORDER BY s.kind, s.name;

-- name: capital
-- What each bot began with; NULL where that is not known; and when: its first fill, or the first word
-- on its money. Without those of which nothing is known, and that have closed nothing in the window.
SELECT c.bot_id, c.capital,
       least((SELECT f.exec_time FROM trading.fills f
               WHERE f.bot_id = c.bot_id ORDER BY f.exec_time LIMIT 1),
             (SELECT min((SELECT x.timestamp FROM trading.account_balance x
                           WHERE x.account = b.account AND x.bot_id = b.bot_id
                           ORDER BY x.timestamp LIMIT 1))
                FROM trading.bots b WHERE b.bot_id = c.bot_id)) AS began
  FROM analytics.capital($1, $2) c
 WHERE c.capital IS NOT NULL
    OR EXISTS (SELECT FROM trading.completed_trades t
                WHERE t.bot_id = c.bot_id AND t.exit_time > $2);

-- name: gained
-- What had been gained when $2 was: on whole days, and on the day of $2.
SELECT CASE WHEN $1::text[] IS NOT NULL THEN g.bot_id END AS bot_id, sum(g.net_pnl) AS net_pnl
  FROM (SELECT c.bot_id, c.net_pnl
          FROM analytics.closed($1, '-infinity', date_trunc('day', $2::timestamptz, 'UTC')) c
         WHERE c.kind = 'day'
        UNION ALL
        SELECT t.bot_id, t.net_pnl
          FROM trading.bots b
          JOIN trading.completed_trades t ON t.bot_id = b.bot_id AND t.account = b.account
           AND t.exit_time >= date_trunc('day', $2::timestamptz, 'UTC') AND t.exit_time <= $2
         WHERE CASE WHEN $1 IS NULL THEN b.bot_id <> 'manual' ELSE b.bot_id = ANY ($1) END) g
 GROUP BY 1;

-- name: open
-- Open results at the newest prices; a position without a price counts in `unpriced`.
SELECT bot_id, coalesce(sum(unrealized_pnl), 0) AS open_pnl,
       count(*) - count(unrealized_pnl) AS unpriced, count(*) AS positions
  FROM trading.position_summaries
 WHERE bot_id = ANY ($1::text[])
 GROUP BY bot_id;

-- name: fills
-- Counted bot by bot, in the index.
SELECT b.bot_id, f.fills
  FROM unnest($1::text[]) AS b(bot_id)
 CROSS JOIN LATERAL (SELECT count(*) AS fills FROM trading.fills
                      WHERE bot_id = b.bot_id AND exec_time > $2) f;
