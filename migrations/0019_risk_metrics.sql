-- Figures of each bot by day (UTC, the exchange's clock), computed from round trips, equity and
-- pictures of the portfolio; written again where one of those has changed. All ratios are fractions.
CREATE TABLE trading.risk_metrics (
    bot_id            text NOT NULL,
    account           text NOT NULL,
    date              date NOT NULL,
    starting_equity   numeric(20, 8) NOT NULL,
    ending_equity     numeric(20, 8) NOT NULL,
    cash_flow         numeric(20, 8) NOT NULL, -- deposits less withdrawals
    daily_pnl         numeric(20, 8) GENERATED ALWAYS AS
        (ending_equity - starting_equity - cash_flow) STORED,
    daily_return      numeric(14, 8) GENERATED ALWAYS AS
        (CASE WHEN starting_equity > 0
              THEN (ending_equity - starting_equity - cash_flow) / starting_equity END) STORED,
    total_trades      integer NOT NULL,
    winning_trades    integer NOT NULL,
    losing_trades     integer NOT NULL,
    breakeven_trades  integer NOT NULL,
    win_rate          numeric(14, 8) CHECK (win_rate BETWEEN 0 AND 1),
    gross_profit      numeric(20, 8) NOT NULL,
    gross_loss        numeric(20, 8) NOT NULL CHECK (gross_loss >= 0),
    net_profit        numeric(20, 8) NOT NULL,
    profit_factor     numeric(20, 8),
    avg_win           numeric(20, 8),
    avg_loss          numeric(20, 8),          -- < 0
    largest_win       numeric(20, 8),
    largest_loss      numeric(20, 8),          -- < 0
    max_drawdown      numeric(20, 8) NOT NULL, -- USDT below the highest equity before, so far
    max_drawdown_pct  numeric(14, 8) NOT NULL,
    current_drawdown  numeric(20, 8) NOT NULL, -- at the end of the day
    sharpe_ratio      numeric(20, 8),          -- of the daily returns so far
    sortino_ratio     numeric(20, 8),
    calmar_ratio      numeric(20, 8),
    avg_leverage      numeric(14, 8),
    max_leverage      numeric(14, 8),
    avg_position_size numeric(20, 8),
    max_exposure      numeric(20, 8),
    avg_holding_hours      numeric(14, 4),
    shortest_holding_hours numeric(14, 4),
    longest_holding_hours  numeric(14, 4),
    calculated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (bot_id, account, date),
    FOREIGN KEY (bot_id, account) REFERENCES trading.bots
);
CREATE INDEX risk_metrics_by_date ON trading.risk_metrics (date DESC);
CREATE TRIGGER touch BEFORE UPDATE ON trading.risk_metrics
    FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();
