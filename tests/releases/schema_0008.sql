-- ledger sha256 b97710376031fdadc5218da7896c033c80f6f985ee8615440536e83d88e218f5
--
-- PostgreSQL database dump
--


-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: analytics; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA analytics;


--
-- Name: audit; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA audit;


--
-- Name: config; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA config;


--
-- Name: trading; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA trading;


--
-- Name: refuse_change(); Type: FUNCTION; Schema: config; Owner: -
--

CREATE FUNCTION config.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only: expected INSERT, was %', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation',
              HINT = 'Correct attribution with a row in trading.attribution_overrides.';
END;
$$;


--
-- Name: touch_updated_at(); Type: FUNCTION; Schema: config; Owner: -
--

CREATE FUNCTION config.touch_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END;
$$;


--
-- Name: ensure_market_data_month(timestamp with time zone); Type: FUNCTION; Schema: trading; Owner: -
--

CREATE FUNCTION trading.ensure_market_data_month(at timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
DECLARE
    first_day timestamp := date_trunc('month', at AT TIME ZONE 'UTC');
    name text := 'market_data_' || to_char(first_day, 'YYYY_MM');
BEGIN
    IF to_regclass('trading.' || name) IS NULL THEN
        EXECUTE format(
            'CREATE TABLE trading.%I PARTITION OF trading.market_data FOR VALUES FROM (%L) TO (%L)',
            name, first_day AT TIME ZONE 'UTC', (first_day + interval '1 month') AT TIME ZONE 'UTC');
    END IF;
    RETURN true;
EXCEPTION WHEN check_violation OR duplicate_table OR unique_violation OR lock_not_available THEN
    RETURN false;
END $$;


--
-- Name: expect_ledger_row(); Type: FUNCTION; Schema: trading; Owner: -
--

CREATE FUNCTION trading.expect_ledger_row() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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


--
-- Name: order_state_rank(text); Type: FUNCTION; Schema: trading; Owner: -
--

CREATE FUNCTION trading.order_state_rank(state text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE state WHEN 'pending'::text THEN 0 WHEN 'sent'::text THEN 1 WHEN 'unknown'::text THEN 2 WHEN 'acked'::text THEN 3 WHEN 'open'::text THEN 4 WHEN 'partially_filled'::text THEN 5 WHEN 'never_accepted'::text THEN 6 WHEN 'rejected'::text THEN 7 WHEN 'deactivated'::text THEN 8 WHEN 'cancelled'::text THEN 9 WHEN 'filled'::text THEN 10 ELSE NULL::integer END;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: command_log; Type: TABLE; Schema: audit; Owner: -
--

CREATE TABLE audit.command_log (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    channel text NOT NULL,
    operator text NOT NULL,
    command text NOT NULL,
    arguments jsonb DEFAULT '{}'::jsonb NOT NULL,
    decision text NOT NULL,
    result text DEFAULT ''::text NOT NULL,
    duration_ms numeric(14,3),
    CONSTRAINT command_log_channel_check CHECK ((channel = ANY (ARRAY['cli'::text, 'telegram'::text, 'rest'::text, 'internal'::text]))),
    CONSTRAINT command_log_decision_check CHECK ((decision = ANY (ARRAY['allowed'::text, 'refused'::text])))
);


--
-- Name: command_log_id_seq; Type: SEQUENCE; Schema: audit; Owner: -
--

ALTER TABLE audit.command_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME audit.command_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: system_events; Type: TABLE; Schema: audit; Owner: -
--

CREATE TABLE audit.system_events (
    id bigint NOT NULL,
    event_time timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    event_type text NOT NULL,
    event_level text NOT NULL,
    component text,
    account text,
    bot_id text,
    symbol text,
    order_id text,
    message text NOT NULL,
    details jsonb,
    CONSTRAINT system_events_event_level_check CHECK ((event_level = ANY (ARRAY['DEBUG'::text, 'INFO'::text, 'WARNING'::text, 'ERROR'::text, 'CRITICAL'::text])))
);


--
-- Name: system_events_id_seq; Type: SEQUENCE; Schema: audit; Owner: -
--

ALTER TABLE audit.system_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME audit.system_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: bot_state; Type: TABLE; Schema: config; Owner: -
--

CREATE TABLE config.bot_state (
    account text NOT NULL,
    bot_id text NOT NULL,
    ordinal bigint NOT NULL,
    state json NOT NULL,
    last_stamp bigint NOT NULL,
    cursor json NOT NULL,
    event_time timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


--
-- Name: commit_numbers; Type: SEQUENCE; Schema: config; Owner: -
--

CREATE SEQUENCE config.commit_numbers
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: decisions; Type: TABLE; Schema: config; Owner: -
--

CREATE TABLE config.decisions (
    account text NOT NULL,
    bot_id text NOT NULL,
    ordinal bigint NOT NULL,
    event_key text NOT NULL,
    event_time timestamp with time zone NOT NULL,
    intents json NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


--
-- Name: leases; Type: TABLE; Schema: config; Owner: -
--

CREATE TABLE config.leases (
    account text NOT NULL,
    holder text NOT NULL,
    installation text NOT NULL,
    epoch bigint NOT NULL,
    acquired_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT leases_epoch_check CHECK ((epoch > 0))
);


--
-- Name: marks; Type: TABLE; Schema: config; Owner: -
--

CREATE TABLE config.marks (
    account text NOT NULL,
    seen timestamp with time zone,
    verified timestamp with time zone,
    commit_no bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


--
-- Name: order_tags; Type: TABLE; Schema: config; Owner: -
--

CREATE TABLE config.order_tags (
    code text NOT NULL,
    reason text NOT NULL,
    is_entry boolean NOT NULL,
    plugin text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT order_tags_code_check CHECK ((code ~ '^[a-z0-9]{1,3}$'::text))
);


--
-- Name: quantity_steps; Type: TABLE; Schema: config; Owner: -
--

CREATE TABLE config.quantity_steps (
    account text NOT NULL,
    symbol text NOT NULL,
    since timestamp with time zone NOT NULL,
    qty_step numeric(28,12) NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT quantity_steps_qty_step_check CHECK ((qty_step > (0)::numeric))
);


--
-- Name: schema_migrations; Type: TABLE; Schema: config; Owner: -
--

CREATE TABLE config.schema_migrations (
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    duration_ms numeric(14,3) NOT NULL
);


--
-- Name: standbys; Type: TABLE; Schema: config; Owner: -
--

CREATE TABLE config.standbys (
    installation text NOT NULL,
    holder text NOT NULL,
    accounts text[] NOT NULL,
    seen_at timestamp with time zone NOT NULL
);


--
-- Name: symbol_owners; Type: TABLE; Schema: config; Owner: -
--

CREATE TABLE config.symbol_owners (
    account text NOT NULL,
    symbol text NOT NULL,
    bot_id text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


--
-- Name: account_balance; Type: TABLE; Schema: trading; Owner: -
--

CREATE TABLE trading.account_balance (
    id bigint NOT NULL,
    account text NOT NULL,
    total_balance numeric(20,8) NOT NULL,
    equity numeric(20,8) NOT NULL,
    available numeric(20,8),
    source text NOT NULL,
    "timestamp" timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT account_balance_source_check CHECK ((source = ANY (ARRAY['stream'::text, 'rest'::text])))
);


--
-- Name: account_balance_id_seq; Type: SEQUENCE; Schema: trading; Owner: -
--

ALTER TABLE trading.account_balance ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trading.account_balance_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: accounts; Type: TABLE; Schema: trading; Owner: -
--

CREATE TABLE trading.accounts (
    account text NOT NULL,
    mode text NOT NULL,
    api_key_hash text,
    uid text,
    position_mode text DEFAULT 'one_way'::text NOT NULL,
    netting boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT accounts_account_check CHECK ((account ~ '^[A-Za-z0-9_-]{1,40}$'::text)),
    CONSTRAINT accounts_mode_check CHECK ((mode = ANY (ARRAY['live'::text, 'demo'::text, 'testnet'::text, 'paper'::text, 'backtest'::text]))),
    CONSTRAINT accounts_position_mode_check CHECK ((position_mode = ANY (ARRAY['one_way'::text, 'hedge'::text])))
);


--
-- Name: adjustments; Type: TABLE; Schema: trading; Owner: -
--

CREATE TABLE trading.adjustments (
    id bigint NOT NULL,
    account text NOT NULL,
    bot_id text DEFAULT 'manual'::text NOT NULL,
    symbol text NOT NULL,
    qty numeric(28,12) NOT NULL,
    price numeric(28,12) NOT NULL,
    operator text NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    exec_id text NOT NULL,
    exec_time timestamp with time zone NOT NULL,
    CONSTRAINT adjustments_bot_id_check CHECK ((bot_id = 'manual'::text)),
    CONSTRAINT adjustments_exec_id_check CHECK ((exec_id ~~ 'adjustment-%'::text)),
    CONSTRAINT adjustments_price_check CHECK ((price >= (0)::numeric)),
    CONSTRAINT adjustments_qty_check CHECK ((qty <> (0)::numeric))
);


--
-- Name: adjustments_id_seq; Type: SEQUENCE; Schema: trading; Owner: -
--

ALTER TABLE trading.adjustments ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trading.adjustments_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: attribution_overrides; Type: TABLE; Schema: trading; Owner: -
--

CREATE TABLE trading.attribution_overrides (
    id bigint NOT NULL,
    account text NOT NULL,
    symbol text NOT NULL,
    exec_id text NOT NULL,
    bot_id text NOT NULL,
    operator text NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    source text DEFAULT 'operator'::text NOT NULL,
    CONSTRAINT attribution_overrides_source_check CHECK ((source = ANY (ARRAY['operator'::text, 'policy'::text])))
);


--
-- Name: attribution_overrides_id_seq; Type: SEQUENCE; Schema: trading; Owner: -
--

ALTER TABLE trading.attribution_overrides ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME trading.attribution_overrides_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: completed_trades; Type: TABLE; Schema: trading; Owner: -
--

CREATE TABLE trading.completed_trades (
    account text NOT NULL,
    symbol text NOT NULL,
    bot_id text NOT NULL,
    entry_exec_id text NOT NULL,
    exit_exec_id text NOT NULL,
    trade_id text GENERATED ALWAYS AS (((((((bot_id || ':'::text) || symbol) || ':'::text) || entry_exec_id) || ':'::text) || exit_exec_id)) STORED,
    side text NOT NULL,
    quantity numeric(28,12) NOT NULL,
    entry_order_id text NOT NULL,
    entry_order_link_id text NOT NULL,
    entry_side text GENERATED ALWAYS AS (
CASE side
    WHEN 'long'::text THEN 'Buy'::text
    ELSE 'Sell'::text
END) STORED,
    entry_price numeric(28,12) NOT NULL,
    entry_time timestamp with time zone NOT NULL,
    entry_reason text NOT NULL,
    entry_commission numeric(28,12) NOT NULL,
    exit_order_id text NOT NULL,
    exit_order_link_id text NOT NULL,
    exit_side text GENERATED ALWAYS AS (
CASE side
    WHEN 'long'::text THEN 'Sell'::text
    ELSE 'Buy'::text
END) STORED,
    exit_price numeric(28,12) NOT NULL,
    exit_time timestamp with time zone NOT NULL,
    exit_reason text NOT NULL,
    exit_commission numeric(28,12) NOT NULL,
    gross_pnl numeric(28,12) NOT NULL,
    funding numeric(28,12) NOT NULL,
    total_commission numeric(28,12) GENERATED ALWAYS AS ((entry_commission + exit_commission)) STORED,
    net_pnl numeric(28,12) GENERATED ALWAYS AS ((((gross_pnl - entry_commission) - exit_commission) + funding)) STORED,
    pnl_pct numeric(14,8) GENERATED ALWAYS AS (
CASE
    WHEN (entry_price > (0)::numeric) THEN ((((gross_pnl - entry_commission) - exit_commission) + funding) / (entry_price * quantity))
    ELSE NULL::numeric
END) STORED,
    holding_duration_seconds numeric(20,3) GENERATED ALWAYS AS (EXTRACT(epoch FROM (exit_time - entry_time))) STORED,
    quality text DEFAULT 'exact'::text NOT NULL,
    source text DEFAULT 'fills'::text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT completed_trades_check CHECK ((exit_time >= entry_time)),
    CONSTRAINT completed_trades_quality_check CHECK ((quality = ANY (ARRAY['exact'::text, 'entry_time_approx'::text, 'estimated'::text]))),
    CONSTRAINT completed_trades_quantity_check CHECK ((quantity > (0)::numeric)),
    CONSTRAINT completed_trades_side_check CHECK ((side = ANY (ARRAY['long'::text, 'short'::text]))),
    CONSTRAINT completed_trades_source_check CHECK ((source = ANY (ARRAY['fills'::text, 'bybit_api'::text, 'manual'::text, 'import'::text])))
);


--
-- Name: daily_trades; Type: VIEW; Schema: trading; Owner: -
--

CREATE VIEW trading.daily_trades AS
 SELECT ((completed_trades.exit_time AT TIME ZONE 'UTC'::text))::date AS trade_date,
    completed_trades.bot_id,
    completed_trades.account,
    completed_trades.symbol,
    completed_trades.entry_order_id,
    sum(completed_trades.gross_pnl) AS gross_pnl,
    sum(completed_trades.total_commission) AS total_commission,
    sum(completed_trades.funding) AS funding,
    sum(completed_trades.net_pnl) AS net_pnl,
    (max(completed_trades.exit_time) - min(completed_trades.entry_time)) AS held
   FROM trading.completed_trades
  GROUP BY (((completed_trades.exit_time AT TIME ZONE 'UTC'::text))::date), completed_trades.bot_id, completed_trades.account, completed_trades.symbol, completed_trades.entry_order_id;


--
-- Name: bot_daily_performance; Type: VIEW; Schema: trading; Owner: -
--

CREATE VIEW trading.bot_daily_performance AS
 SELECT daily_trades.trade_date,
    daily_trades.bot_id,
    count(*) AS trades,
    count(*) FILTER (WHERE (daily_trades.net_pnl > (0)::numeric)) AS wins,
    count(*) FILTER (WHERE (daily_trades.net_pnl < (0)::numeric)) AS losses,
    count(*) FILTER (WHERE (daily_trades.net_pnl = (0)::numeric)) AS breakeven,
    ((count(*) FILTER (WHERE (daily_trades.net_pnl > (0)::numeric)))::numeric / (count(*))::numeric) AS win_rate,
    COALESCE(sum(daily_trades.net_pnl) FILTER (WHERE (daily_trades.net_pnl > (0)::numeric)), (0)::numeric) AS gross_profit,
    COALESCE((- sum(daily_trades.net_pnl) FILTER (WHERE (daily_trades.net_pnl < (0)::numeric))), (0)::numeric) AS gross_loss,
    (sum(daily_trades.net_pnl) FILTER (WHERE (daily_trades.net_pnl > (0)::numeric)) / NULLIF((- sum(daily_trades.net_pnl) FILTER (WHERE (daily_trades.net_pnl < (0)::numeric))), (0)::numeric)) AS profit_factor,
    sum(daily_trades.net_pnl) AS net_pnl,
    sum(daily_trades.total_commission) AS fees,
    sum(daily_trades.funding) AS funding,
    avg(daily_trades.net_pnl) AS avg_pnl,
    max(daily_trades.net_pnl) AS best,
    min(daily_trades.net_pnl) AS worst,
    avg(EXTRACT(epoch FROM daily_trades.held)) AS avg_hold_seconds
   FROM trading.daily_trades
  WHERE (daily_trades.bot_id <> 'manual'::text)
  GROUP BY daily_trades.trade_date, daily_trades.bot_id;


--
-- Name: bots; Type: TABLE; Schema: trading; Owner: -
--

CREATE TABLE trading.bots (
    bot_id text NOT NULL,
    account text NOT NULL,
    bot_name text NOT NULL,
    bot_type text NOT NULL,
    strategy_name text NOT NULL,
    description text,
    status text DEFAULT 'disabled'::text NOT NULL,
    status_reason text DEFAULT ''::text NOT NULL,
    mode text NOT NULL,
    exchange text DEFAULT 'bybit'::text NOT NULL,
    initial_capital numeric(20,8),
    current_equity numeric(20,8),
    max_positions integer,
    leverage_limit numeric(14,8),
    max_daily_loss_pct numeric(14,8),
    max_weekly_loss_pct numeric(14,8),
    max_drawdown_pct numeric(14,8),
    redis_db integer DEFAULT 0 NOT NULL,
    plugin_version text,
    last_heartbeat timestamp with time zone,
    process_heartbeat timestamp with time zone,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT bots_bot_id_check CHECK ((bot_id ~ '^[a-z0-9_]{1,20}$'::text)),
    CONSTRAINT bots_leverage_limit_check CHECK ((leverage_limit > (0)::numeric)),
    CONSTRAINT bots_max_positions_check CHECK ((max_positions > 0)),
    CONSTRAINT bots_mode_check CHECK ((mode = ANY (ARRAY['live'::text, 'demo'::text, 'testnet'::text, 'paper'::text, 'backtest'::text]))),
    CONSTRAINT bots_redis_db_check CHECK ((redis_db >= 0)),
    CONSTRAINT bots_status_check CHECK ((status = ANY (ARRAY['disabled'::text, 'starting'::text, 'warming'::text, 'running'::text, 'paused'::text, 'reduce_only'::text, 'failed'::text, 'archived'::text])))
);


--
-- Name: position_entries; Type: TABLE; Schema: trading; Owner: -
--

CREATE TABLE trading.position_entries (
    account text NOT NULL,
    symbol text NOT NULL,
    exec_id text NOT NULL,
    bot_id text NOT NULL,
    entry_id text GENERATED ALWAYS AS (((((bot_id || ':'::text) || symbol) || ':'::text) || exec_id)) STORED,
    side text NOT NULL,
    entry_price numeric(28,12) NOT NULL,
    original_qty numeric(28,12) NOT NULL,
    remaining_qty numeric(28,12) NOT NULL,
    entry_commission numeric(28,12) NOT NULL,
    commission_left numeric(28,12) NOT NULL,
    funding_left numeric(28,12) NOT NULL,
    entry_reason text NOT NULL,
    entry_order_id text NOT NULL,
    order_link_id text NOT NULL,
    entry_time timestamp with time zone NOT NULL,
    status text GENERATED ALWAYS AS (
CASE
    WHEN (remaining_qty = (0)::numeric) THEN 'closed'::text
    WHEN (remaining_qty < original_qty) THEN 'partially_closed'::text
    ELSE 'open'::text
END) STORED,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT position_entries_check CHECK ((remaining_qty <= original_qty)),
    CONSTRAINT position_entries_original_qty_check CHECK ((original_qty > (0)::numeric)),
    CONSTRAINT position_entries_remaining_qty_check CHECK ((remaining_qty >= (0)::numeric)),
    CONSTRAINT position_entries_side_check CHECK ((side = ANY (ARRAY['long'::text, 'short'::text])))
);


--
-- Name: current_positions; Type: VIEW; Schema: trading; Owner: -
--

CREATE VIEW trading.current_positions AS
 SELECT position_entries.bot_id,
    position_entries.account,
    position_entries.symbol,
    position_entries.side,
    sum(position_entries.remaining_qty) AS total_qty,
    (sum((position_entries.remaining_qty * position_entries.entry_price)) / sum(position_entries.remaining_qty)) AS avg_entry_price,
    sum((position_entries.remaining_qty * position_entries.entry_price)) AS total_cost,
    min(position_entries.entry_time) AS first_entry_time,
    max(position_entries.entry_time) AS last_entry_time,
    count(*) AS num_entries,
    sum(position_entries.commission_left) AS total_entry_commission,
    jsonb_agg(jsonb_build_object('exec_id', position_entries.exec_id, 'qty', (position_entries.remaining_qty)::text, 'price', (position_entries.entry_price)::text, 'time', position_entries.entry_time, 'reason', position_entries.entry_reason) ORDER BY position_entries.entry_time, position_entries.exec_id) AS entries
   FROM trading.position_entries
  WHERE (position_entries.remaining_qty > (0)::numeric)
  GROUP BY position_entries.bot_id, position_entries.account, position_entries.symbol, position_entries.side;


--
-- Name: exchange_positions; Type: TABLE; Schema: trading; Owner: -
--

CREATE TABLE trading.exchange_positions (
    account text NOT NULL,
    symbol text NOT NULL,
    position_idx smallint NOT NULL,
    signed_size numeric(28,12) NOT NULL,
    entry_price numeric(28,12),
    mark_price numeric(28,12),
    leverage numeric(28,12),
    liq_price numeric(28,12),
    unrealised_pnl numeric(28,12),
    stop_loss numeric(28,12),
    take_profit numeric(28,12),
    trailing_stop numeric(28,12),
    seq bigint NOT NULL,
    source text NOT NULL,
    exchange_time timestamp with time zone NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT exchange_positions_source_check CHECK ((source = ANY (ARRAY['stream'::text, 'rest'::text])))
);


--
-- Name: executions; Type: TABLE; Schema: trading; Owner: -
--

CREATE TABLE trading.executions (
    account text NOT NULL,
    symbol text NOT NULL,
    exec_id text NOT NULL,
    order_id text NOT NULL,
    order_link_id text NOT NULL,
    side text NOT NULL,
    exec_type text NOT NULL,
    price numeric(28,12) NOT NULL,
    qty numeric(28,12) NOT NULL,
    value numeric(28,12) NOT NULL,
    fee numeric(28,12) NOT NULL,
    fee_currency text NOT NULL,
    fee_rate numeric(28,12),
    leaves_qty numeric(28,12) NOT NULL,
    closed_size numeric(28,12),
    is_maker boolean NOT NULL,
    create_type text NOT NULL,
    order_type text NOT NULL,
    stop_order_type text NOT NULL,
    exec_time timestamp with time zone NOT NULL,
    seq bigint NOT NULL,
    exec_pnl numeric(28,12),
    mark_price numeric(28,12),
    source text NOT NULL,
    received_at timestamp with time zone,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT executions_qty_check CHECK ((qty > (0)::numeric)),
    CONSTRAINT executions_side_check CHECK ((side = ANY (ARRAY['Buy'::text, 'Sell'::text]))),
    CONSTRAINT executions_source_check CHECK ((source = ANY (ARRAY['stream'::text, 'rest'::text, 'paper'::text, 'import'::text])))
);


--
-- Name: fills; Type: TABLE; Schema: trading; Owner: -
--

CREATE TABLE trading.fills (
    account text NOT NULL,
    symbol text NOT NULL,
    exec_id text NOT NULL,
    bot_id text NOT NULL,
    leg smallint NOT NULL,
    order_id text NOT NULL,
    order_link_id text NOT NULL,
    client_order_id text,
    side text NOT NULL,
    exec_type text NOT NULL,
    exec_price numeric(28,12) NOT NULL,
    exec_qty numeric(28,12) NOT NULL,
    exec_value numeric(28,12) GENERATED ALWAYS AS ((exec_price * exec_qty)) STORED,
    commission numeric(28,12) NOT NULL,
    fee_currency text NOT NULL,
    effect text NOT NULL,
    reason text NOT NULL,
    close_reason text GENERATED ALWAYS AS (reason) STORED,
    reason_source text NOT NULL,
    attribution text NOT NULL,
    realised numeric(28,12) NOT NULL,
    position_after numeric(28,12) NOT NULL,
    is_maker boolean NOT NULL,
    exec_time timestamp with time zone NOT NULL,
    seq bigint NOT NULL,
    CONSTRAINT fills_attribution_check CHECK ((attribution = ANY (ARRAY['override'::text, 'id'::text, 'order'::text, 'parent'::text, 'sole_bot'::text, 'open_lot'::text, 'symbol'::text, 'manual'::text, 'share'::text]))),
    CONSTRAINT fills_effect_check CHECK ((effect = ANY (ARRAY['entry'::text, 'exit'::text]))),
    CONSTRAINT fills_exec_qty_check CHECK ((exec_qty > (0)::numeric)),
    CONSTRAINT fills_leg_check CHECK ((leg = ANY (ARRAY[0, 1]))),
    CONSTRAINT fills_reason_source_check CHECK ((reason_source = ANY (ARRAY['id'::text, 'exchange'::text, 'effect'::text]))),
    CONSTRAINT fills_side_check CHECK ((side = ANY (ARRAY['Buy'::text, 'Sell'::text])))
);


--
-- Name: funding_payments; Type: TABLE; Schema: trading; Owner: -
--

CREATE TABLE trading.funding_payments (
    account text NOT NULL,
    symbol text NOT NULL,
    exec_id text NOT NULL,
    bot_id text NOT NULL,
    "position" numeric(28,12) NOT NULL,
    rate numeric(28,12),
    amount numeric(28,12) NOT NULL,
    currency text NOT NULL,
    exec_time timestamp with time zone NOT NULL,
    seq bigint NOT NULL
);


--
-- Name: ledger_rows; Type: VIEW; Schema: trading; Owner: -
--

CREATE VIEW trading.ledger_rows AS
 SELECT executions.account,
    executions.symbol,
    executions.exec_id,
    executions.order_id,
    executions.order_link_id,
    executions.side,
    executions.exec_type,
    executions.price,
    executions.qty,
    executions.value,
    executions.fee,
    executions.fee_currency,
    executions.fee_rate,
    executions.leaves_qty,
    executions.closed_size,
    executions.is_maker,
    executions.create_type,
    executions.order_type,
    executions.stop_order_type,
    executions.exec_time,
    executions.seq,
    executions.exec_pnl,
    executions.mark_price,
    executions.source,
    executions.received_at
   FROM trading.executions
UNION ALL
 SELECT adjustments.account,
    adjustments.symbol,
    adjustments.exec_id,
    ''::text AS order_id,
    ''::text AS order_link_id,
        CASE
            WHEN (adjustments.qty > (0)::numeric) THEN 'Buy'::text
            ELSE 'Sell'::text
        END AS side,
    'Adjustment'::text AS exec_type,
    adjustments.price,
    abs(adjustments.qty) AS qty,
    round((abs(adjustments.qty) * adjustments.price), 12) AS value,
    0 AS fee,
    'USDT'::text AS fee_currency,
    NULL::numeric AS fee_rate,
    0 AS leaves_qty,
    NULL::numeric AS closed_size,
    false AS is_maker,
    adjustments.operator AS create_type,
    adjustments.note AS order_type,
    ''::text AS stop_order_type,
    adjustments.exec_time,
    0 AS seq,
    NULL::numeric AS exec_pnl,
    NULL::numeric AS mark_price,
    'import'::text AS source,
    adjustments.created_at AS received_at
   FROM trading.adjustments;


--
-- Name: market_data; Type: TABLE; Schema: trading; Owner: -
--

CREATE TABLE trading.market_data (
    exchange text DEFAULT 'bybit'::text NOT NULL,
    symbol text NOT NULL,
    "interval" text NOT NULL,
    "timestamp" timestamp with time zone NOT NULL,
    open_price numeric(28,12) NOT NULL,
    high_price numeric(28,12) NOT NULL,
    low_price numeric(28,12) NOT NULL,
    close_price numeric(28,12) NOT NULL,
    volume numeric(28,12) NOT NULL,
    quote_volume numeric(28,12) NOT NULL,
    ema_20 numeric(28,12),
    ema_50 numeric(28,12),
    ema_200 numeric(28,12),
    rsi_14 numeric(10,6),
    atr_14 numeric(28,12),
    data_source text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT market_data_check CHECK (((low_price > (0)::numeric) AND (low_price <= LEAST(open_price, close_price)) AND (high_price >= GREATEST(open_price, close_price)))),
    CONSTRAINT market_data_data_source_check CHECK ((data_source = ANY (ARRAY['stream'::text, 'rest'::text]))),
    CONSTRAINT market_data_volume_check CHECK ((volume >= (0)::numeric))
)
PARTITION BY RANGE ("timestamp");


--
-- Name: market_data_2025_10; Type: TABLE; Schema: trading; Owner: -
--

CREATE TABLE trading.market_data_2025_10 (
    exchange text DEFAULT 'bybit'::text NOT NULL,
    symbol text NOT NULL,
    "interval" text NOT NULL,
    "timestamp" timestamp with time zone NOT NULL,
    open_price numeric(28,12) NOT NULL,
    high_price numeric(28,12) NOT NULL,
    low_price numeric(28,12) NOT NULL,
    close_price numeric(28,12) NOT NULL,
    volume numeric(28,12) NOT NULL,
    quote_volume numeric(28,12) NOT NULL,
    ema_20 numeric(28,12),
    ema_50 numeric(28,12),
    ema_200 numeric(28,12),
    rsi_14 numeric(10,6),
    atr_14 numeric(28,12),
    data_source text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT market_data_check CHECK (((low_price > (0)::numeric) AND (low_price <= LEAST(open_price, close_price)) AND (high_price >= GREATEST(open_price, close_price)))),
    CONSTRAINT market_data_data_source_check CHECK ((data_source = ANY (ARRAY['stream'::text, 'rest'::text]))),
    CONSTRAINT market_data_volume_check CHECK ((volume >= (0)::numeric))
);


--
-- Name: market_data_2025_11; Type: TABLE; Schema: trading; Owner: -
--

CREATE TABLE trading.market_data_2025_11 (
    exchange text DEFAULT 'bybit'::text NOT NULL,
    symbol text NOT NULL,
    "interval" text NOT NULL,
    "timestamp" timestamp with time zone NOT NULL,
    open_price numeric(28,12) NOT NULL,
    high_price numeric(28,12) NOT NULL,
    low_price numeric(28,12) NOT NULL,
    close_price numeric(28,12) NOT NULL,
    volume numeric(28,12) NOT NULL,
    quote_volume numeric(28,12) NOT NULL,
    ema_20 numeric(28,12),
    ema_50 numeric(28,12),
    ema_200 numeric(28,12),
    rsi_14 numeric(10,6),
    atr_14 numeric(28,12),
    data_source text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT market_data_check CHECK (((low_price > (0)::numeric) AND (low_price <= LEAST(open_price, close_price)) AND (high_price >= GREATEST(open_price, close_price)))),
    CONSTRAINT market_data_data_source_check CHECK ((data_source = ANY (ARRAY['stream'::text, 'rest'::text]))),
    CONSTRAINT market_data_volume_check CHECK ((volume >= (0)::numeric))
);


--
-- Name: market_data_other; Type: TABLE; Schema: trading; Owner: -
--

CREATE TABLE trading.market_data_other (
    exchange text DEFAULT 'bybit'::text NOT NULL,
    symbol text NOT NULL,
    "interval" text NOT NULL,
    "timestamp" timestamp with time zone NOT NULL,
    open_price numeric(28,12) NOT NULL,
    high_price numeric(28,12) NOT NULL,
    low_price numeric(28,12) NOT NULL,
    close_price numeric(28,12) NOT NULL,
    volume numeric(28,12) NOT NULL,
    quote_volume numeric(28,12) NOT NULL,
    ema_20 numeric(28,12),
    ema_50 numeric(28,12),
    ema_200 numeric(28,12),
    rsi_14 numeric(10,6),
    atr_14 numeric(28,12),
    data_source text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT market_data_check CHECK (((low_price > (0)::numeric) AND (low_price <= LEAST(open_price, close_price)) AND (high_price >= GREATEST(open_price, close_price)))),
    CONSTRAINT market_data_data_source_check CHECK ((data_source = ANY (ARRAY['stream'::text, 'rest'::text]))),
    CONSTRAINT market_data_volume_check CHECK ((volume >= (0)::numeric))
);


--
-- Name: orders; Type: TABLE; Schema: trading; Owner: -
--

CREATE TABLE trading.orders (
    account text NOT NULL,
    order_link_id text NOT NULL,
    client_order_id text,
    bot_id text NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL,
    purpose text NOT NULL,
    reason text NOT NULL,
    order_type text NOT NULL,
    qty numeric(28,12) NOT NULL,
    price numeric(28,12),
    trigger_price numeric(28,12),
    reduce_only boolean NOT NULL,
    state text NOT NULL,
    exchange_order_id text,
    exchange_status text,
    filled_qty numeric(28,12) NOT NULL,
    avg_fill_price numeric(28,12),
    reject_code integer,
    reject_reason text,
    parent_order_link_id text,
    decided_at timestamp with time zone NOT NULL,
    sent_at timestamp with time zone,
    acked_at timestamp with time zone,
    terminal_at timestamp with time zone,
    changed_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT orders_filled_qty_check CHECK ((filled_qty >= (0)::numeric)),
    CONSTRAINT orders_purpose_check CHECK ((purpose = ANY (ARRAY['entry'::text, 'exit'::text, 'stop'::text]))),
    CONSTRAINT orders_qty_check CHECK ((qty >= (0)::numeric)),
    CONSTRAINT orders_side_check CHECK ((side = ANY (ARRAY['Buy'::text, 'Sell'::text]))),
    CONSTRAINT orders_state_check CHECK ((trading.order_state_rank(state) IS NOT NULL))
);


--
-- Name: positions; Type: TABLE; Schema: trading; Owner: -
--

CREATE TABLE trading.positions (
    account text NOT NULL,
    symbol text NOT NULL,
    bot_id text NOT NULL,
    opened_by text NOT NULL,
    position_id text GENERATED ALWAYS AS (((((bot_id || ':'::text) || symbol) || ':'::text) || opened_by)) STORED,
    side text NOT NULL,
    size numeric(28,12) NOT NULL,
    max_size numeric(28,12) NOT NULL,
    avg_entry_price numeric(28,12) NOT NULL,
    realized_pnl numeric(28,12) NOT NULL,
    fees numeric(28,12) NOT NULL,
    funding numeric(28,12) NOT NULL,
    entry_reason text NOT NULL,
    exit_reason text,
    opened_at timestamp with time zone NOT NULL,
    closed_at timestamp with time zone,
    status text GENERATED ALWAYS AS (
CASE
    WHEN (closed_at IS NOT NULL) THEN 'closed'::text
    WHEN (size < max_size) THEN 'partially_closed'::text
    ELSE 'open'::text
END) STORED,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT positions_check CHECK ((size <= max_size)),
    CONSTRAINT positions_check1 CHECK (((closed_at IS NULL) = (size > (0)::numeric))),
    CONSTRAINT positions_side_check CHECK ((side = ANY (ARRAY['long'::text, 'short'::text]))),
    CONSTRAINT positions_size_check CHECK ((size >= (0)::numeric))
);


--
-- Name: trades_pnl; Type: VIEW; Schema: trading; Owner: -
--

CREATE VIEW trading.trades_pnl AS
 SELECT completed_trades.bot_id,
    completed_trades.account,
    completed_trades.symbol,
    completed_trades.side,
    completed_trades.entry_time,
    completed_trades.exit_time,
    completed_trades.entry_price,
    completed_trades.exit_price,
    completed_trades.quantity,
    completed_trades.gross_pnl,
    completed_trades.total_commission AS total_fees,
    completed_trades.funding,
    completed_trades.net_pnl,
    completed_trades.entry_reason,
    completed_trades.exit_reason AS close_reason,
    completed_trades.holding_duration_seconds AS holding_seconds
   FROM trading.completed_trades;


--
-- Name: market_data_2025_10; Type: TABLE ATTACH; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.market_data ATTACH PARTITION trading.market_data_2025_10 FOR VALUES FROM ('2025-10-01 00:00:00+00') TO ('2025-11-01 00:00:00+00');


--
-- Name: market_data_2025_11; Type: TABLE ATTACH; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.market_data ATTACH PARTITION trading.market_data_2025_11 FOR VALUES FROM ('2025-11-01 00:00:00+00') TO ('2025-12-01 00:00:00+00');


--
-- Name: market_data_other; Type: TABLE ATTACH; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.market_data ATTACH PARTITION trading.market_data_other DEFAULT;


--
-- Data for Name: command_log; Type: TABLE DATA; Schema: audit; Owner: -
--

INSERT INTO audit.command_log OVERRIDING SYSTEM VALUE VALUES (1, '2026-11-21 20:56:42.099603+00', 'cli', 'somebody', 'fills assign', '{}', 'allowed', '', NULL);


--
-- Data for Name: system_events; Type: TABLE DATA; Schema: audit; Owner: -
--

INSERT INTO audit.system_events OVERRIDING SYSTEM VALUE VALUES (1, '2025-10-01 08:00:00+00', 'manual_trade', 'WARNING', NULL, NULL, NULL, NULL, NULL, 'somebody has traded by hand', NULL);


--
-- Data for Name: bot_state; Type: TABLE DATA; Schema: config; Owner: -
--

INSERT INTO config.bot_state VALUES ('main', 'alpha_001', 2, '{"b":1.0,"a":2}', 1759305600002, '{"close": 2}', '2025-10-01 08:10:00+00', '2026-11-21 20:56:41.97518+00', '2026-11-21 20:56:41.97518+00');


--
-- Data for Name: decisions; Type: TABLE DATA; Schema: config; Owner: -
--

INSERT INTO config.decisions VALUES ('main', 'alpha_001', 1, 'close:300000:1759305900000', '2025-10-01 08:05:00+00', '[]', '2026-11-21 20:56:41.965717+00');
INSERT INTO config.decisions VALUES ('main', 'alpha_001', 2, 'close:300000:1759306200000', '2025-10-01 08:10:00+00', '[]', '2026-11-21 20:56:41.965968+00');


--
-- Data for Name: leases; Type: TABLE DATA; Schema: config; Owner: -
--



--
-- Data for Name: marks; Type: TABLE DATA; Schema: config; Owner: -
--

INSERT INTO config.marks VALUES ('main', NULL, NULL, 3, '2026-11-21 20:56:41.836857+00', '2026-11-21 20:56:41.979392+00');


--
-- Data for Name: order_tags; Type: TABLE DATA; Schema: config; Owner: -
--

INSERT INTO config.order_tags VALUES ('ec', 'ema_cross', true, NULL, '2026-11-21 20:56:41.518799+00');
INSERT INTO config.order_tags VALUES ('tp', 'take_profit', false, NULL, '2026-11-21 20:56:41.523783+00');


--
-- Data for Name: quantity_steps; Type: TABLE DATA; Schema: config; Owner: -
--

INSERT INTO config.quantity_steps VALUES ('main', 'BTCUSDT', '1970-01-01 00:00:00+00', 0.001000000000, '2026-11-21 20:56:41.590345+00');
INSERT INTO config.quantity_steps VALUES ('main', 'ETHUSDT', '1970-01-01 00:00:00+00', 0.001000000000, '2026-11-21 20:56:41.59051+00');


--
-- Data for Name: schema_migrations; Type: TABLE DATA; Schema: config; Owner: -
--

INSERT INTO config.schema_migrations VALUES (1, 'registry', '69673137987b213a7ca699265f2318ec8183f1d3c4c87e769b6bba26e4f5eb70', '2026-11-21 20:56:40.75536+00', 78.977);
INSERT INTO config.schema_migrations VALUES (2, 'ledger', 'a5abce924a675ccd8d47338e0484a6d9cccf03f82b6857cc79ced364e50f87ed', '2026-11-21 20:56:40.830978+00', 68.140);
INSERT INTO config.schema_migrations VALUES (3, 'projections', '5f6109c00631e421932978ad688bd79941ef6938d5bb79e4c63961a0aa7297bb', '2026-11-21 20:56:41.027031+00', 171.515);
INSERT INTO config.schema_migrations VALUES (4, 'orders_and_decisions', '2e304b4994eeec134458148ba8821c57c7b4b4b68a9a0453e9aecb29a65e5077', '2026-11-21 20:56:41.253376+00', 215.505);
INSERT INTO config.schema_migrations VALUES (5, 'views', 'f11aee8f432aa72707536f518b0d1de5d3df7cc902b783d2a9a6256984585f6a', '2026-11-21 20:56:41.285133+00', 17.615);
INSERT INTO config.schema_migrations VALUES (6, 'standbys', 'e3f0dff9753d62a0f646e87c82be554ee7cc2eaa0f2fd462099abcbed182dc3b', '2026-11-21 20:56:41.307468+00', 14.482);
INSERT INTO config.schema_migrations VALUES (7, 'attribution', '62caa8bc90933f17caefc8ef65b64236c8994ce15b0d1d12b4ca0f985629e968', '2026-11-21 20:56:41.363016+00', 51.630);
INSERT INTO config.schema_migrations VALUES (8, 'market_data', '58c1ba85008e9f09ef4eb9bb5c4372c79d448d276d16727a0f1eef10e30650e0', '2026-11-21 20:56:41.411355+00', 23.626);


--
-- Data for Name: standbys; Type: TABLE DATA; Schema: config; Owner: -
--



--
-- Data for Name: symbol_owners; Type: TABLE DATA; Schema: config; Owner: -
--

INSERT INTO config.symbol_owners VALUES ('main', 'ETHUSDT', 'alpha_001', '2026-11-21 20:56:41.516435+00', '2026-11-21 20:56:41.516435+00');


--
-- Data for Name: account_balance; Type: TABLE DATA; Schema: trading; Owner: -
--



--
-- Data for Name: accounts; Type: TABLE DATA; Schema: trading; Owner: -
--

INSERT INTO trading.accounts VALUES ('main', 'paper', NULL, NULL, 'one_way', false, '2026-11-21 20:56:41.475062+00', '2026-11-21 20:56:41.475062+00');


--
-- Data for Name: adjustments; Type: TABLE DATA; Schema: trading; Owner: -
--

INSERT INTO trading.adjustments OVERRIDING SYSTEM VALUE VALUES (1, 'main', 'manual', 'BTCUSDT', 0.500000000000, 100.500000000000, 'somebody', 'agreed', '2026-11-21 20:56:41.668164+00', 'adjustment-1', '2025-10-04 11:27:57.091+00');


--
-- Data for Name: attribution_overrides; Type: TABLE DATA; Schema: trading; Owner: -
--

INSERT INTO trading.attribution_overrides OVERRIDING SYSTEM VALUE VALUES (1, 'main', 'BTCUSDT', 'stray', 'alpha_001', 'somebody', 'mine', '2025-10-01 08:00:00.009+00', 'operator');


--
-- Data for Name: bots; Type: TABLE DATA; Schema: trading; Owner: -
--

INSERT INTO trading.bots VALUES ('manual', 'main', 'manual', 'manual', 'manual', NULL, 'disabled', '', 'paper', 'bybit', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, '2026-11-21 20:56:41.495276+00', '2026-11-21 20:56:41.495276+00');
INSERT INTO trading.bots VALUES ('alpha_001', 'main', 'alpha', 'test', 'test', NULL, 'disabled', '', 'paper', 'bybit', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, '2026-11-21 20:56:41.497389+00', '2026-11-21 20:56:41.497389+00');
INSERT INTO trading.bots VALUES ('beta_001', 'main', 'beta', 'test', 'test', NULL, 'disabled', '', 'paper', 'bybit', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, '2026-11-21 20:56:41.49932+00', '2026-11-21 20:56:41.49932+00');


--
-- Data for Name: completed_trades; Type: TABLE DATA; Schema: trading; Owner: -
--

INSERT INTO trading.completed_trades VALUES ('main', 'BTCUSDT', 'beta_001', 'BTCUSDT-3', 'BTCUSDT-9', DEFAULT, 'short', 1.000000000000, 'order-BTCUSDT-1759330825867', 'beta_001-sl-mg845daj', DEFAULT, 109.250000000000, '2025-10-01 15:00:25.867+00', 'stop_loss', 0.234375000000, 'order-BTCUSDT-1759345069228', 'beta_001-sl-mg8cmnjg', DEFAULT, 107.750000000000, '2025-10-01 18:57:49.228+00', 'stop_loss', 0.187500000000, 1.500000000000, 0.000000000000, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.767232+00', '2026-11-21 20:56:41.767233+00');
INSERT INTO trading.completed_trades VALUES ('main', 'BTCUSDT', 'beta_001', 'BTCUSDT-3', 'BTCUSDT-13', DEFAULT, 'short', 1.000000000000, 'order-BTCUSDT-1759330825867', 'beta_001-sl-mg845daj', DEFAULT, 109.250000000000, '2025-10-01 15:00:25.867+00', 'stop_loss', 0.234375000000, 'order-BTCUSDT-1759379401019', 'beta_001-ec-mg8x2i4b', DEFAULT, 98.250000000000, '2025-10-02 04:30:01.019+00', 'ema_cross', 0.062500000000, 11.000000000000, 0.000000000000, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.767532+00', '2026-11-21 20:56:41.767532+00');
INSERT INTO trading.completed_trades VALUES ('main', 'BTCUSDT', 'alpha_001', 'BTCUSDT-0', 'BTCUSDT-14', DEFAULT, 'short', 4.000000000000, 'order-BTCUSDT-1759322678535', 'alpha_001-sl-mg7zaqrr', DEFAULT, 97.125000000000, '2025-10-01 12:44:38.535+00', 'stop_loss', 0.000000000000, 'order-BTCUSDT-1759394336841', 'alpha_001-ec-mg95ymo9', DEFAULT, 107.500000000000, '2025-10-02 08:38:56.841+00', 'ema_cross', 0.500000000000, -41.500000000000, 0.000000000000, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.767553+00', '2026-11-21 20:56:41.767553+00');
INSERT INTO trading.completed_trades VALUES ('main', 'BTCUSDT', 'beta_001', 'BTCUSDT-3', 'BTCUSDT-25', DEFAULT, 'short', 2.000000000000, 'order-BTCUSDT-1759330825867', 'beta_001-sl-mg845daj', DEFAULT, 109.250000000000, '2025-10-01 15:00:25.867+00', 'stop_loss', 0.468750000000, 'order-BTCUSDT-1759471560076', 'beta_001-ec-mgafxsi4', DEFAULT, 94.625000000000, '2025-10-03 06:06:00.076+00', 'ema_cross', 0.156250000000, 29.250000000000, 0.115384615385, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.767564+00', '2026-11-21 20:56:41.767564+00');
INSERT INTO trading.completed_trades VALUES ('main', 'BTCUSDT', 'beta_001', 'BTCUSDT-4', 'BTCUSDT-25', DEFAULT, 'short', 1.000000000000, 'order-BTCUSDT-1759330825867', 'beta_001-sl-mg845daj', DEFAULT, 93.875000000000, '2025-10-01 15:00:25.867+00', 'stop_loss', 0.062500000000, 'order-BTCUSDT-1759471560076', 'beta_001-ec-mgafxsi4', DEFAULT, 94.625000000000, '2025-10-03 06:06:00.076+00', 'ema_cross', 0.078125000000, -0.750000000000, 0.057692307693, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.767579+00', '2026-11-21 20:56:41.767579+00');
INSERT INTO trading.completed_trades VALUES ('main', 'BTCUSDT', 'beta_001', 'BTCUSDT-5', 'BTCUSDT-25', DEFAULT, 'short', 1.000000000000, 'order-BTCUSDT-1759330825867', 'beta_001-sl-mg845daj', DEFAULT, 90.875000000000, '2025-10-01 15:00:25.867+00', 'stop_loss', 0.437500000000, 'order-BTCUSDT-1759471560076', 'beta_001-ec-mgafxsi4', DEFAULT, 94.625000000000, '2025-10-03 06:06:00.076+00', 'ema_cross', 0.078125000000, -3.750000000000, 0.057692307693, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.767587+00', '2026-11-21 20:56:41.767587+00');
INSERT INTO trading.completed_trades VALUES ('main', 'BTCUSDT', 'beta_001', 'BTCUSDT-6', 'BTCUSDT-26', DEFAULT, 'short', 4.000000000000, 'order-BTCUSDT-1759337416368', 'beta_001-sl-mg882mk0', DEFAULT, 101.625000000000, '2025-10-01 16:50:16.368+00', 'stop_loss', 0.250000000000, 'order-BTCUSDT-1759485876271', 'beta_001-ec-mgaogmy7', DEFAULT, 95.875000000000, '2025-10-03 10:04:36.271+00', 'ema_cross', 0.375000000000, 23.000000000000, 0.230769230770, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.767596+00', '2026-11-21 20:56:41.767596+00');
INSERT INTO trading.completed_trades VALUES ('main', 'BTCUSDT', 'beta_001', 'BTCUSDT-7', 'BTCUSDT-27', DEFAULT, 'short', 2.000000000000, 'order-BTCUSDT-1759337416368', 'beta_001-sl-mg882mk0', DEFAULT, 97.375000000000, '2025-10-01 16:50:16.368+00', 'stop_loss', 0.156250000000, 'order-BTCUSDT-1759485876271', 'beta_001-ec-mgaogmy7', DEFAULT, 90.750000000000, '2025-10-03 10:04:36.271+00', 'ema_cross', 0.250000000000, 13.250000000000, 0.115384615385, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.767611+00', '2026-11-21 20:56:41.767611+00');
INSERT INTO trading.completed_trades VALUES ('main', 'BTCUSDT', 'beta_001', 'BTCUSDT-7', 'BTCUSDT-29', DEFAULT, 'short', 1.000000000000, 'order-BTCUSDT-1759337416368', 'beta_001-sl-mg882mk0', DEFAULT, 97.375000000000, '2025-10-01 16:50:16.368+00', 'stop_loss', 0.078125000000, 'order-BTCUSDT-1759509675979', 'beta_001-ec-mgb2mqx7', DEFAULT, 103.625000000000, '2025-10-03 16:41:15.979+00', 'ema_cross', 0.812500000000, -6.250000000000, 0.057692307692, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.767621+00', '2026-11-21 20:56:41.767621+00');
INSERT INTO trading.completed_trades VALUES ('main', 'BTCUSDT', 'beta_001', 'BTCUSDT-7', 'BTCUSDT-34', DEFAULT, 'short', 1.000000000000, 'order-BTCUSDT-1759337416368', 'beta_001-sl-mg882mk0', DEFAULT, 97.375000000000, '2025-10-01 16:50:16.368+00', 'stop_loss', 0.078125000000, 'order-BTCUSDT-1759538868801', 'beta_001-tp-mgbk0g8x', DEFAULT, 107.000000000000, '2025-10-04 00:47:48.801+00', 'take_profit', 0.812500000000, -9.625000000000, 0.057692307693, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.767629+00', '2026-11-21 20:56:41.767629+00');
INSERT INTO trading.completed_trades VALUES ('main', 'BTCUSDT', 'beta_001', 'BTCUSDT-8', 'BTCUSDT-36', DEFAULT, 'short', 2.000000000000, 'order-BTCUSDT-1759337416368', 'beta_001-sl-mg882mk0', DEFAULT, 109.000000000000, '2025-10-01 16:50:16.368+00', 'stop_loss', 0.062500000000, 'order-BTCUSDT-1759556759078', 'beta_001-ec-mgbunwh2', DEFAULT, 96.250000000000, '2025-10-04 05:45:59.078+00', 'ema_cross', 0.468750000000, 25.500000000000, 0.115384615385, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.767641+00', '2026-11-21 20:56:41.767641+00');
INSERT INTO trading.completed_trades VALUES ('main', 'BTCUSDT', 'beta_001', 'BTCUSDT-11', 'BTCUSDT-36', DEFAULT, 'short', 2.000000000000, 'order-BTCUSDT-1759375924723', 'beta_001-ec-mg8uzzsj', DEFAULT, 103.375000000000, '2025-10-02 03:32:04.723+00', 'ema_cross', 0.000000000000, 'order-BTCUSDT-1759556759078', 'beta_001-ec-mgbunwh2', DEFAULT, 96.250000000000, '2025-10-04 05:45:59.078+00', 'ema_cross', 0.468750000000, 14.250000000000, 0.115384615385, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.76765+00', '2026-11-21 20:56:41.76765+00');
INSERT INTO trading.completed_trades VALUES ('main', 'BTCUSDT', 'beta_001', 'BTCUSDT-12', 'BTCUSDT-39', DEFAULT, 'short', 1.000000000000, 'order-BTCUSDT-1759375924723', 'beta_001-ec-mg8uzzsj', DEFAULT, 99.000000000000, '2025-10-02 03:32:04.723+00', 'ema_cross', 0.812500000000, 'order-BTCUSDT-1759577277089', 'beta_001-sl-mgc6vo9t', DEFAULT, 90.500000000000, '2025-10-04 11:27:57.089+00', 'stop_loss', 0.125000000000, 8.500000000000, 0.009081196577, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.767658+00', '2026-11-21 20:56:41.767658+00');
INSERT INTO trading.completed_trades VALUES ('main', 'BTCUSDT', 'beta_001', 'BTCUSDT-21', 'BTCUSDT-39', DEFAULT, 'short', 1.000000000000, 'order-BTCUSDT-1759439949290', 'beta_001-sl-mg9x49gq', DEFAULT, 98.875000000000, '2025-10-02 21:19:09.29+00', 'stop_loss', 0.187500000000, 'order-BTCUSDT-1759577277089', 'beta_001-sl-mgc6vo9t', DEFAULT, 90.500000000000, '2025-10-04 11:27:57.089+00', 'stop_loss', 0.125000000000, 8.375000000000, -0.048611111111, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.767667+00', '2026-11-21 20:56:41.767667+00');
INSERT INTO trading.completed_trades VALUES ('main', 'ETHUSDT', 'alpha_001', 'ETHUSDT-0', 'ETHUSDT-5', DEFAULT, 'long', 2.000000000000, 'order-ETHUSDT-1759311492104', 'alpha_001-r1-mg7smz9k', DEFAULT, 90.625000000000, '2025-10-01 09:38:12.104+00', 'rule_1', 0.812500000000, 'order-ETHUSDT-1759325072758', 'alpha_001-tp-mg80q25y', DEFAULT, 103.750000000000, '2025-10-01 13:24:32.758+00', 'take_profit', 0.218750000000, 26.250000000000, 0.000000000000, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.907492+00', '2026-11-21 20:56:41.907492+00');
INSERT INTO trading.completed_trades VALUES ('main', 'ETHUSDT', 'alpha_001', 'ETHUSDT-1', 'ETHUSDT-5', DEFAULT, 'long', 2.000000000000, 'order-ETHUSDT-1759311492104', 'alpha_001-r1-mg7smz9k', DEFAULT, 96.375000000000, '2025-10-01 09:38:12.104+00', 'rule_1', 0.406250000000, 'order-ETHUSDT-1759325072758', 'alpha_001-tp-mg80q25y', DEFAULT, 103.750000000000, '2025-10-01 13:24:32.758+00', 'take_profit', 0.218750000000, 14.750000000000, 0.000000000000, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.907608+00', '2026-11-21 20:56:41.907608+00');
INSERT INTO trading.completed_trades VALUES ('main', 'ETHUSDT', 'beta_001', 'ETHUSDT-3', 'ETHUSDT-12', DEFAULT, 'long', 1.000000000000, 'order-ETHUSDT-1759315602066', 'beta_001-sl-mg7v32j6', DEFAULT, 99.750000000000, '2025-10-01 10:46:42.066+00', 'stop_loss', 0.312500000000, 'order-ETHUSDT-1759371186922', 'beta_001-tp-mg8s6g2y', DEFAULT, 106.375000000000, '2025-10-02 02:13:06.922+00', 'take_profit', 0.187500000000, 6.625000000000, -0.125000000000, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.907623+00', '2026-11-21 20:56:41.907623+00');
INSERT INTO trading.completed_trades VALUES ('main', 'ETHUSDT', 'alpha_001', 'ETHUSDT-1', 'ETHUSDT-15', DEFAULT, 'long', 2.000000000000, 'order-ETHUSDT-1759311492104', 'alpha_001-r1-mg7smz9k', DEFAULT, 96.375000000000, '2025-10-01 09:38:12.104+00', 'rule_1', 0.406250000000, 'order-ETHUSDT-1759409990282', 'alpha_001-ec-mg9fa4y2', DEFAULT, 107.500000000000, '2025-10-02 12:59:50.282+00', 'ema_cross', 0.000000000000, 22.250000000000, -0.271739130434, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.907633+00', '2026-11-21 20:56:41.907633+00');
INSERT INTO trading.completed_trades VALUES ('main', 'ETHUSDT', 'alpha_001', 'ETHUSDT-2', 'ETHUSDT-16', DEFAULT, 'long', 1.000000000000, 'order-ETHUSDT-1759311492104', 'alpha_001-r1-mg7smz9k', DEFAULT, 100.125000000000, '2025-10-01 09:38:12.104+00', 'rule_1', 0.187500000000, 'order-ETHUSDT-1759409990282', 'alpha_001-ec-mg9fa4y2', DEFAULT, 106.500000000000, '2025-10-02 12:59:50.282+00', 'ema_cross', 0.000000000000, 6.375000000000, -0.135869565217, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.907644+00', '2026-11-21 20:56:41.907644+00');
INSERT INTO trading.completed_trades VALUES ('main', 'ETHUSDT', 'alpha_001', 'ETHUSDT-6', 'ETHUSDT-16', DEFAULT, 'long', 3.000000000000, 'order-ETHUSDT-1759334520055', 'alpha_001-r1-mg86cjqv', DEFAULT, 109.375000000000, '2025-10-01 16:02:00.055+00', 'rule_1', 0.046875000000, 'order-ETHUSDT-1759409990282', 'alpha_001-ec-mg9fa4y2', DEFAULT, 106.500000000000, '2025-10-02 12:59:50.282+00', 'ema_cross', 0.000000000000, -8.625000000000, -0.407608695651, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.907654+00', '2026-11-21 20:56:41.907654+00');
INSERT INTO trading.completed_trades VALUES ('main', 'ETHUSDT', 'alpha_001', 'ETHUSDT-6', 'ETHUSDT-17', DEFAULT, 'long', 1.000000000000, 'order-ETHUSDT-1759334520055', 'alpha_001-r1-mg86cjqv', DEFAULT, 109.375000000000, '2025-10-01 16:02:00.055+00', 'rule_1', 0.015625000000, 'order-ETHUSDT-1759409990282', 'alpha_001-ec-mg9fa4y2', DEFAULT, 97.000000000000, '2025-10-02 12:59:50.282+00', 'ema_cross', 0.343750000000, -12.375000000000, -0.135869565218, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.907677+00', '2026-11-21 20:56:41.907677+00');
INSERT INTO trading.completed_trades VALUES ('main', 'ETHUSDT', 'alpha_001', 'ETHUSDT-9', 'ETHUSDT-17', DEFAULT, 'long', 1.000000000000, 'order-ETHUSDT-1759363926685', 'alpha_001-r1-mg8nuu1p', DEFAULT, 99.125000000000, '2025-10-02 00:12:06.685+00', 'rule_1', 0.250000000000, 'order-ETHUSDT-1759409990282', 'alpha_001-ec-mg9fa4y2', DEFAULT, 97.000000000000, '2025-10-02 12:59:50.282+00', 'ema_cross', 0.343750000000, -2.125000000000, -0.135869565217, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.907687+00', '2026-11-21 20:56:41.907687+00');
INSERT INTO trading.completed_trades VALUES ('main', 'ETHUSDT', 'alpha_001', 'ETHUSDT-10', 'ETHUSDT-18', DEFAULT, 'long', 4.000000000000, 'order-ETHUSDT-1759363926685', 'alpha_001-r1-mg8nuu1p', DEFAULT, 99.375000000000, '2025-10-02 00:12:06.685+00', 'rule_1', 0.312500000000, 'order-ETHUSDT-1759414741844', 'alpha_001-ec-mg9i3z9w', DEFAULT, 107.375000000000, '2025-10-02 14:19:01.844+00', 'ema_cross', 0.312500000000, 32.000000000000, -0.543478260869, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.923461+00', '2026-11-21 20:56:41.923461+00');
INSERT INTO trading.completed_trades VALUES ('main', 'ETHUSDT', 'alpha_001', 'ETHUSDT-13', 'ETHUSDT-19', DEFAULT, 'long', 2.000000000000, 'order-ETHUSDT-1759386570488', 'alpha_001-tp-mg91c648', DEFAULT, 108.000000000000, '2025-10-02 06:29:30.488+00', 'take_profit', 0.250000000000, 'order-ETHUSDT-1759414741844', 'alpha_001-ec-mg9i3z9w', DEFAULT, 90.375000000000, '2025-10-02 14:19:01.844+00', 'ema_cross', 0.187500000000, -35.250000000000, -0.021739130437, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.923519+00', '2026-11-21 20:56:41.923519+00');
INSERT INTO trading.completed_trades VALUES ('main', 'ETHUSDT', 'alpha_001', 'ETHUSDT-19', 'ETHUSDT-21', DEFAULT, 'short', 1.000000000000, 'order-ETHUSDT-1759414741844', 'alpha_001-ec-mg9i3z9w', DEFAULT, 90.375000000000, '2025-10-02 14:19:01.844+00', 'ema_cross', 0.093750000000, 'order-ETHUSDT-1759421548383', 'alpha_001-sl-mg9m5v8f', DEFAULT, 108.375000000000, '2025-10-02 16:12:28.383+00', 'stop_loss', 0.687500000000, -18.000000000000, 0.000000000000, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.923533+00', '2026-11-21 20:56:41.923533+00');
INSERT INTO trading.completed_trades VALUES ('main', 'ETHUSDT', 'alpha_001', 'ETHUSDT-19', 'ETHUSDT-22', DEFAULT, 'short', 1.000000000000, 'order-ETHUSDT-1759414741844', 'alpha_001-ec-mg9i3z9w', DEFAULT, 90.375000000000, '2025-10-02 14:19:01.844+00', 'ema_cross', 0.093750000000, 'order-ETHUSDT-1759421548383', 'alpha_001-sl-mg9m5v8f', DEFAULT, 99.625000000000, '2025-10-02 16:12:28.383+00', 'stop_loss', 0.812500000000, -9.250000000000, 0.000000000000, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.923547+00', '2026-11-21 20:56:41.923547+00');
INSERT INTO trading.completed_trades VALUES ('main', 'ETHUSDT', 'alpha_001', 'ETHUSDT-20', 'ETHUSDT-23', DEFAULT, 'short', 1.000000000000, 'order-ETHUSDT-1759414741844', 'alpha_001-ec-mg9i3z9w', DEFAULT, 104.500000000000, '2025-10-02 14:19:01.844+00', 'ema_cross', 0.031250000000, 'order-ETHUSDT-1759421548383', 'alpha_001-sl-mg9m5v8f', DEFAULT, 95.875000000000, '2025-10-02 16:12:28.383+00', 'stop_loss', 0.687500000000, 8.625000000000, 0.000000000000, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.923561+00', '2026-11-21 20:56:41.923561+00');
INSERT INTO trading.completed_trades VALUES ('main', 'ETHUSDT', 'alpha_001', 'ETHUSDT-20', 'ETHUSDT-35', DEFAULT, 'short', 1.000000000000, 'order-ETHUSDT-1759414741844', 'alpha_001-ec-mg9i3z9w', DEFAULT, 104.500000000000, '2025-10-02 14:19:01.844+00', 'ema_cross', 0.031250000000, 'order-ETHUSDT-1759463709712', 'alpha_001-r1-mgab9j4g', DEFAULT, 99.375000000000, '2025-10-03 03:55:09.712+00', 'rule_1', 0.625000000000, 5.125000000000, 0.208333333333, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.923572+00', '2026-11-21 20:56:41.923572+00');
INSERT INTO trading.completed_trades VALUES ('main', 'ETHUSDT', 'alpha_001', 'ETHUSDT-27', 'ETHUSDT-36', DEFAULT, 'short', 4.000000000000, 'order-ETHUSDT-1759437606834', 'alpha_001-sl-mg9vq20i', DEFAULT, 109.875000000000, '2025-10-02 20:40:06.834+00', 'stop_loss', 0.000000000000, 'order-ETHUSDT-1759463709712', 'alpha_001-r1-mgab9j4g', DEFAULT, 99.500000000000, '2025-10-03 03:55:09.712+00', 'rule_1', 0.375000000000, 41.500000000000, 0.833333333333, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.923582+00', '2026-11-21 20:56:41.923582+00');
INSERT INTO trading.completed_trades VALUES ('main', 'ETHUSDT', 'alpha_001', 'ETHUSDT-28', 'ETHUSDT-38', DEFAULT, 'short', 1.000000000000, 'order-ETHUSDT-1759437606834', 'alpha_001-sl-mg9vq20i', DEFAULT, 109.500000000000, '2025-10-02 20:40:06.834+00', 'stop_loss', 0.343750000000, 'order-ETHUSDT-1759481861835', 'alpha_001-r1-mgam2le3', DEFAULT, 95.750000000000, '2025-10-03 08:57:41.835+00', 'rule_1', 0.500000000000, 13.750000000000, 0.208333333333, DEFAULT, DEFAULT, DEFAULT, DEFAULT, 'exact', 'fills', '2026-11-21 20:56:41.923592+00', '2026-11-21 20:56:41.923592+00');


--
-- Data for Name: exchange_positions; Type: TABLE DATA; Schema: trading; Owner: -
--



--
-- Data for Name: executions; Type: TABLE DATA; Schema: trading; Owner: -
--

INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-0', 'order-BTCUSDT-1759322678535', 'alpha_001-sl-mg7zaqrr', 'Sell', 'Trade', 97.125000000000, 4.000000000000, 402.000000000000, 0.000000000000, 'USDT', 0.000550000000, 2.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 12:44:38.535+00', 1759322678535, NULL, NULL, 'stream', '2025-10-01 12:44:38.555+00', '2026-11-21 20:56:41.655496+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-1', 'order-BTCUSDT-1759322678535', 'alpha_001-sl-mg7zaqrr', 'Sell', 'Trade', 103.500000000000, 4.000000000000, 402.000000000000, 0.000000000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 12:44:38.535+00', 1759322678535, NULL, NULL, 'stream', '2025-10-01 12:44:38.555+00', '2026-11-21 20:56:41.655946+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-2', 'order-BTCUSDT-1759322678535', 'alpha_001-sl-mg7zaqrr', 'Sell', 'Trade', 91.000000000000, 4.000000000000, 402.000000000000, 0.375000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 12:44:38.535+00', 1759322678535, NULL, NULL, 'stream', '2025-10-01 12:44:38.555+00', '2026-11-21 20:56:41.655964+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-3', 'order-BTCUSDT-1759330825867', 'beta_001-sl-mg845daj', 'Sell', 'Trade', 109.250000000000, 4.000000000000, 402.000000000000, 0.937500000000, 'USDT', 0.000550000000, 2.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 15:00:25.867+00', 1759330825867, NULL, NULL, 'stream', '2025-10-01 15:00:25.887+00', '2026-11-21 20:56:41.655971+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-4', 'order-BTCUSDT-1759330825867', 'beta_001-sl-mg845daj', 'Sell', 'Trade', 93.875000000000, 1.000000000000, 100.500000000000, 0.062500000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 15:00:25.867+00', 1759330825867, NULL, NULL, 'stream', '2025-10-01 15:00:25.887+00', '2026-11-21 20:56:41.655978+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-5', 'order-BTCUSDT-1759330825867', 'beta_001-sl-mg845daj', 'Sell', 'Trade', 90.875000000000, 1.000000000000, 100.500000000000, 0.437500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 15:00:25.867+00', 1759330825867, NULL, NULL, 'stream', '2025-10-01 15:00:25.887+00', '2026-11-21 20:56:41.655985+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-6', 'order-BTCUSDT-1759337416368', 'beta_001-sl-mg882mk0', 'Sell', 'Trade', 101.625000000000, 4.000000000000, 402.000000000000, 0.250000000000, 'USDT', 0.000550000000, 2.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 16:50:16.368+00', 1759337416368, NULL, NULL, 'stream', '2025-10-01 16:50:16.388+00', '2026-11-21 20:56:41.655991+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-7', 'order-BTCUSDT-1759337416368', 'beta_001-sl-mg882mk0', 'Sell', 'Trade', 97.375000000000, 4.000000000000, 402.000000000000, 0.312500000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 16:50:16.368+00', 1759337416368, NULL, NULL, 'stream', '2025-10-01 16:50:16.388+00', '2026-11-21 20:56:41.655996+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-8', 'order-BTCUSDT-1759337416368', 'beta_001-sl-mg882mk0', 'Sell', 'Trade', 109.000000000000, 2.000000000000, 201.000000000000, 0.062500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 16:50:16.368+00', 1759337416368, NULL, NULL, 'stream', '2025-10-01 16:50:16.388+00', '2026-11-21 20:56:41.656013+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-9', 'order-BTCUSDT-1759345069228', 'beta_001-sl-mg8cmnjg', 'Buy', 'Trade', 107.750000000000, 1.000000000000, 100.500000000000, 0.187500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 18:57:49.228+00', 1759345069228, NULL, NULL, 'stream', '2025-10-01 18:57:49.248+00', '2026-11-21 20:56:41.65602+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-10', 'order-BTCUSDT-10', '', 'Buy', 'Funding', 100.500000000000, 1.000000000000, 100.500000000000, 0.000000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, '', 'Market', '', '2025-10-01 22:53:51.093+00', 1759359231093, NULL, NULL, 'stream', '2025-10-01 22:53:51.113+00', '2026-11-21 20:56:41.656026+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-11', 'order-BTCUSDT-1759375924723', 'beta_001-ec-mg8uzzsj', 'Sell', 'Trade', 103.375000000000, 2.000000000000, 201.000000000000, 0.000000000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 03:32:04.723+00', 1759375924723, NULL, NULL, 'stream', '2025-10-02 03:32:04.743+00', '2026-11-21 20:56:41.656033+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-12', 'order-BTCUSDT-1759375924723', 'beta_001-ec-mg8uzzsj', 'Sell', 'Trade', 99.000000000000, 1.000000000000, 100.500000000000, 0.812500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 03:32:04.723+00', 1759375924723, NULL, NULL, 'stream', '2025-10-02 03:32:04.743+00', '2026-11-21 20:56:41.656039+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-13', 'order-BTCUSDT-1759379401019', 'beta_001-ec-mg8x2i4b', 'Buy', 'Trade', 98.250000000000, 1.000000000000, 100.500000000000, 0.062500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 04:30:01.019+00', 1759379401019, NULL, NULL, 'stream', '2025-10-02 04:30:01.039+00', '2026-11-21 20:56:41.656045+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-14', 'order-BTCUSDT-1759394336841', 'alpha_001-ec-mg95ymo9', 'Buy', 'Trade', 107.500000000000, 4.000000000000, 402.000000000000, 0.500000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 08:38:56.841+00', 1759394336841, NULL, NULL, 'stream', '2025-10-02 08:38:56.861+00', '2026-11-21 20:56:41.656054+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-15', 'order-BTCUSDT-1759406471727', 'alpha_001-ec-mg9d6q0f', 'Sell', 'Trade', 92.875000000000, 1.000000000000, 100.500000000000, 0.375000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 12:01:11.727+00', 1759406471727, NULL, NULL, 'stream', '2025-10-02 12:01:11.747+00', '2026-11-21 20:56:41.656067+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-16', 'order-BTCUSDT-16', '', 'Buy', 'Funding', 100.500000000000, 1.000000000000, 100.500000000000, -4.875000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, '', 'Market', '', '2025-10-02 16:10:55.366+00', 1759421455366, NULL, NULL, 'stream', '2025-10-02 16:10:55.386+00', '2026-11-21 20:56:41.656074+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-17', 'order-BTCUSDT-17', '', 'Sell', 'Funding', 100.500000000000, 1.000000000000, 100.500000000000, 3.375000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, '', 'Market', '', '2025-10-02 18:04:48.016+00', 1759428288016, NULL, NULL, 'stream', '2025-10-02 18:04:48.036+00', '2026-11-21 20:56:41.656081+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-18', 'order-BTCUSDT-1759438425996', 'alpha_001-sl-mg9w7m30', 'Sell', 'Trade', 107.250000000000, 2.000000000000, 201.000000000000, 0.187500000000, 'USDT', 0.000550000000, 2.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 20:53:45.996+00', 1759438425996, NULL, NULL, 'stream', '2025-10-02 20:53:46.016+00', '2026-11-21 20:56:41.656087+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-19', 'order-BTCUSDT-1759438425996', 'alpha_001-sl-mg9w7m30', 'Sell', 'Trade', 104.000000000000, 1.000000000000, 100.500000000000, 0.687500000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 20:53:45.996+00', 1759438425996, NULL, NULL, 'stream', '2025-10-02 20:53:46.016+00', '2026-11-21 20:56:41.656093+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-20', 'order-BTCUSDT-1759438425996', 'alpha_001-sl-mg9w7m30', 'Sell', 'Trade', 95.500000000000, 2.000000000000, 201.000000000000, 0.062500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 20:53:45.996+00', 1759438425996, NULL, NULL, 'stream', '2025-10-02 20:53:46.016+00', '2026-11-21 20:56:41.6561+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-21', 'order-BTCUSDT-1759439949290', 'beta_001-sl-mg9x49gq', 'Sell', 'Trade', 98.875000000000, 1.000000000000, 100.500000000000, 0.187500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 21:19:09.29+00', 1759439949290, NULL, NULL, 'stream', '2025-10-02 21:19:09.31+00', '2026-11-21 20:56:41.656115+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-22', 'order-BTCUSDT-1759451193130', 'alpha_001-r1-mga3t99m', 'Sell', 'Trade', 106.750000000000, 1.000000000000, 100.500000000000, 0.312500000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 00:26:33.13+00', 1759451193130, NULL, NULL, 'stream', '2025-10-03 00:26:33.15+00', '2026-11-21 20:56:41.65612+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-23', 'order-BTCUSDT-1759451193130', 'alpha_001-r1-mga3t99m', 'Sell', 'Trade', 108.250000000000, 2.000000000000, 201.000000000000, 0.187500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 00:26:33.13+00', 1759451193130, NULL, NULL, 'stream', '2025-10-03 00:26:33.15+00', '2026-11-21 20:56:41.656126+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-24', 'order-BTCUSDT-1759455960452', 'alpha_001-sl-mga6nfr8', 'Sell', 'Trade', 94.875000000000, 2.000000000000, 201.000000000000, 0.375000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 01:46:00.452+00', 1759455960452, NULL, NULL, 'stream', '2025-10-03 01:46:00.472+00', '2026-11-21 20:56:41.656136+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-25', 'order-BTCUSDT-1759471560076', 'beta_001-ec-mgafxsi4', 'Buy', 'Trade', 94.625000000000, 4.000000000000, 402.000000000000, 0.312500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 06:06:00.076+00', 1759471560076, NULL, NULL, 'stream', '2025-10-03 06:06:00.096+00', '2026-11-21 20:56:41.656147+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-26', 'order-BTCUSDT-1759485876271', 'beta_001-ec-mgaogmy7', 'Buy', 'Trade', 95.875000000000, 4.000000000000, 402.000000000000, 0.375000000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 10:04:36.271+00', 1759485876271, NULL, NULL, 'stream', '2025-10-03 10:04:36.291+00', '2026-11-21 20:56:41.656152+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-27', 'order-BTCUSDT-1759485876271', 'beta_001-ec-mgaogmy7', 'Buy', 'Trade', 90.750000000000, 2.000000000000, 201.000000000000, 0.250000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 10:04:36.271+00', 1759485876271, NULL, NULL, 'stream', '2025-10-03 10:04:36.291+00', '2026-11-21 20:56:41.656162+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-28', 'order-BTCUSDT-1759498854494', 'alpha_001-ec-mgaw6t0e', 'Sell', 'Trade', 108.500000000000, 1.000000000000, 100.500000000000, 0.125000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 13:40:54.494+00', 1759498854494, NULL, NULL, 'stream', '2025-10-03 13:40:54.514+00', '2026-11-21 20:56:41.656168+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-29', 'order-BTCUSDT-1759509675979', 'beta_001-ec-mgb2mqx7', 'Buy', 'Trade', 103.625000000000, 1.000000000000, 100.500000000000, 0.812500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 16:41:15.979+00', 1759509675979, NULL, NULL, 'stream', '2025-10-03 16:41:15.999+00', '2026-11-21 20:56:41.656174+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-30', 'order-BTCUSDT-1759510349987', 'beta_001-sl-mgb316zn', 'Sell', 'Trade', 107.750000000000, 2.000000000000, 201.000000000000, 0.437500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 16:52:29.987+00', 1759510349987, NULL, NULL, 'stream', '2025-10-03 16:52:30.007+00', '2026-11-21 20:56:41.656179+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-31', 'order-BTCUSDT-1759510772026', 'alpha_001-r1-mgb3a8my', 'Sell', 'Trade', 106.125000000000, 1.000000000000, 100.500000000000, 0.125000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 16:59:32.026+00', 1759510772026, NULL, NULL, 'stream', '2025-10-03 16:59:32.046+00', '2026-11-21 20:56:41.656186+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-32', 'order-BTCUSDT-1759526663339', 'alpha_001-r1-mgbcqugb', 'Sell', 'Trade', 92.500000000000, 4.000000000000, 402.000000000000, 0.250000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 21:24:23.339+00', 1759526663339, NULL, NULL, 'stream', '2025-10-03 21:24:23.359+00', '2026-11-21 20:56:41.656197+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-33', 'order-BTCUSDT-1759530443200', 'alpha_001-tp-mgbezv0g', 'Sell', 'Trade', 95.625000000000, 4.000000000000, 402.000000000000, 0.062500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 22:27:23.2+00', 1759530443200, NULL, NULL, 'stream', '2025-10-03 22:27:23.22+00', '2026-11-21 20:56:41.656204+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-34', 'order-BTCUSDT-1759538868801', 'beta_001-tp-mgbk0g8x', 'Buy', 'Trade', 107.000000000000, 1.000000000000, 100.500000000000, 0.812500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-04 00:47:48.801+00', 1759538868801, NULL, NULL, 'stream', '2025-10-04 00:47:48.821+00', '2026-11-21 20:56:41.656213+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-35', 'order-BTCUSDT-1759541844308', 'beta_001-ec-mgbls85w', 'Sell', 'Trade', 102.375000000000, 1.000000000000, 100.500000000000, 0.062500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-04 01:37:24.308+00', 1759541844308, NULL, NULL, 'stream', '2025-10-04 01:37:24.328+00', '2026-11-21 20:56:41.65622+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-36', 'order-BTCUSDT-1759556759078', 'beta_001-ec-mgbunwh2', 'Buy', 'Trade', 96.250000000000, 4.000000000000, 402.000000000000, 0.937500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-04 05:45:59.078+00', 1759556759078, NULL, NULL, 'stream', '2025-10-04 05:45:59.098+00', '2026-11-21 20:56:41.656226+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-37', 'order-BTCUSDT-1759557219265', 'alpha_001-ec-mgbuxrk1', 'Sell', 'Trade', 102.875000000000, 2.000000000000, 201.000000000000, 0.500000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-04 05:53:39.265+00', 1759557219265, NULL, NULL, 'stream', '2025-10-04 05:53:39.285+00', '2026-11-21 20:56:41.656232+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-38', 'order-BTCUSDT-38', '', 'Buy', 'Funding', 100.500000000000, 1.000000000000, 100.500000000000, 1.750000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, '', 'Market', '', '2025-10-04 10:05:38.649+00', 1759572338649, NULL, NULL, 'stream', '2025-10-04 10:05:38.669+00', '2026-11-21 20:56:41.65733+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'BTCUSDT-39', 'order-BTCUSDT-1759577277089', 'beta_001-sl-mgc6vo9t', 'Buy', 'Trade', 90.500000000000, 2.000000000000, 201.000000000000, 0.250000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-04 11:27:57.089+00', 1759577277089, NULL, NULL, 'stream', '2025-10-04 11:27:57.109+00', '2026-11-21 20:56:41.657345+00');
INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'stray', 'order-stray', '', 'Sell', 'Trade', 100.500000000000, 1.000000000000, 100.500000000000, 0.050000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-04 11:27:57.09+00', 1759577277090, NULL, NULL, 'stream', '2025-10-04 11:27:57.11+00', '2026-11-21 20:56:41.657356+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-0', 'order-ETHUSDT-1759311492104', 'alpha_001-r1-mg7smz9k', 'Buy', 'Trade', 90.625000000000, 2.000000000000, 201.000000000000, 0.812500000000, 'USDT', 0.000550000000, 2.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 09:38:12.104+00', 1759311492104, NULL, NULL, 'stream', '2025-10-01 09:38:12.124+00', '2026-11-21 20:56:41.867489+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-1', 'order-ETHUSDT-1759311492104', 'alpha_001-r1-mg7smz9k', 'Buy', 'Trade', 96.375000000000, 4.000000000000, 402.000000000000, 0.812500000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 09:38:12.104+00', 1759311492104, NULL, NULL, 'stream', '2025-10-01 09:38:12.124+00', '2026-11-21 20:56:41.867609+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-2', 'order-ETHUSDT-1759311492104', 'alpha_001-r1-mg7smz9k', 'Buy', 'Trade', 100.125000000000, 1.000000000000, 100.500000000000, 0.187500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 09:38:12.104+00', 1759311492104, NULL, NULL, 'stream', '2025-10-01 09:38:12.124+00', '2026-11-21 20:56:41.867619+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-3', 'order-ETHUSDT-1759315602066', 'beta_001-sl-mg7v32j6', 'Buy', 'Trade', 99.750000000000, 1.000000000000, 100.500000000000, 0.312500000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 10:46:42.066+00', 1759315602066, NULL, NULL, 'stream', '2025-10-01 10:46:42.086+00', '2026-11-21 20:56:41.867627+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-4', 'order-ETHUSDT-1759315602066', 'beta_001-sl-mg7v32j6', 'Buy', 'Trade', 100.625000000000, 4.000000000000, 402.000000000000, 0.562500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 10:46:42.066+00', 1759315602066, NULL, NULL, 'stream', '2025-10-01 10:46:42.086+00', '2026-11-21 20:56:41.867634+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-5', 'order-ETHUSDT-1759325072758', 'alpha_001-tp-mg80q25y', 'Sell', 'Trade', 103.750000000000, 4.000000000000, 402.000000000000, 0.437500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 13:24:32.758+00', 1759325072758, NULL, NULL, 'stream', '2025-10-01 13:24:32.778+00', '2026-11-21 20:56:41.86764+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-6', 'order-ETHUSDT-1759334520055', 'alpha_001-r1-mg86cjqv', 'Buy', 'Trade', 109.375000000000, 4.000000000000, 402.000000000000, 0.062500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 16:02:00.055+00', 1759334520055, NULL, NULL, 'stream', '2025-10-01 16:02:00.075+00', '2026-11-21 20:56:41.867652+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-7', 'order-ETHUSDT-1759341725618', 'beta_001-tp-mg8amzle', 'Buy', 'Trade', 90.250000000000, 4.000000000000, 402.000000000000, 0.625000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 18:02:05.618+00', 1759341725618, NULL, NULL, 'stream', '2025-10-01 18:02:05.638+00', '2026-11-21 20:56:41.86766+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-8', 'order-ETHUSDT-1759352364008', 'beta_001-r1-mg8gz088', 'Buy', 'Trade', 106.375000000000, 1.000000000000, 100.500000000000, 0.687500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-01 20:59:24.008+00', 1759352364008, NULL, NULL, 'stream', '2025-10-01 20:59:24.028+00', '2026-11-21 20:56:41.867666+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-9', 'order-ETHUSDT-1759363926685', 'alpha_001-r1-mg8nuu1p', 'Buy', 'Trade', 99.125000000000, 1.000000000000, 100.500000000000, 0.250000000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 00:12:06.685+00', 1759363926685, NULL, NULL, 'stream', '2025-10-02 00:12:06.705+00', '2026-11-21 20:56:41.867674+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-10', 'order-ETHUSDT-1759363926685', 'alpha_001-r1-mg8nuu1p', 'Buy', 'Trade', 99.375000000000, 4.000000000000, 402.000000000000, 0.312500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 00:12:06.685+00', 1759363926685, NULL, NULL, 'stream', '2025-10-02 00:12:06.705+00', '2026-11-21 20:56:41.86768+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-11', 'order-ETHUSDT-11', '', 'Sell', 'Funding', 100.500000000000, 1.000000000000, 100.500000000000, 2.750000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, '', 'Market', '', '2025-10-02 00:27:51.481+00', 1759364871481, NULL, NULL, 'stream', '2025-10-02 00:27:51.501+00', '2026-11-21 20:56:41.867687+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-12', 'order-ETHUSDT-1759371186922', 'beta_001-tp-mg8s6g2y', 'Sell', 'Trade', 106.375000000000, 1.000000000000, 100.500000000000, 0.187500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 02:13:06.922+00', 1759371186922, NULL, NULL, 'stream', '2025-10-02 02:13:06.942+00', '2026-11-21 20:56:41.867694+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-13', 'order-ETHUSDT-1759386570488', 'alpha_001-tp-mg91c648', 'Buy', 'Trade', 108.000000000000, 2.000000000000, 201.000000000000, 0.250000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 06:29:30.488+00', 1759386570488, NULL, NULL, 'stream', '2025-10-02 06:29:30.508+00', '2026-11-21 20:56:41.8677+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-14', 'order-ETHUSDT-14', '', 'Buy', 'Funding', 100.500000000000, 1.000000000000, 100.500000000000, 0.250000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, '', 'Market', '', '2025-10-02 10:34:00.815+00', 1759401240815, NULL, NULL, 'stream', '2025-10-02 10:34:00.835+00', '2026-11-21 20:56:41.867711+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-15', 'order-ETHUSDT-1759409990282', 'alpha_001-ec-mg9fa4y2', 'Sell', 'Trade', 107.500000000000, 2.000000000000, 201.000000000000, 0.000000000000, 'USDT', 0.000550000000, 2.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 12:59:50.282+00', 1759409990282, NULL, NULL, 'stream', '2025-10-02 12:59:50.302+00', '2026-11-21 20:56:41.86772+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-16', 'order-ETHUSDT-1759409990282', 'alpha_001-ec-mg9fa4y2', 'Sell', 'Trade', 106.500000000000, 4.000000000000, 402.000000000000, 0.000000000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 12:59:50.282+00', 1759409990282, NULL, NULL, 'stream', '2025-10-02 12:59:50.302+00', '2026-11-21 20:56:41.867728+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-17', 'order-ETHUSDT-1759409990282', 'alpha_001-ec-mg9fa4y2', 'Sell', 'Trade', 97.000000000000, 2.000000000000, 201.000000000000, 0.687500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 12:59:50.282+00', 1759409990282, NULL, NULL, 'stream', '2025-10-02 12:59:50.302+00', '2026-11-21 20:56:41.867734+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-18', 'order-ETHUSDT-1759414741844', 'alpha_001-ec-mg9i3z9w', 'Sell', 'Trade', 107.375000000000, 4.000000000000, 402.000000000000, 0.312500000000, 'USDT', 0.000550000000, 2.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 14:19:01.844+00', 1759414741844, NULL, NULL, 'stream', '2025-10-02 14:19:01.864+00', '2026-11-21 20:56:41.867741+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-19', 'order-ETHUSDT-1759414741844', 'alpha_001-ec-mg9i3z9w', 'Sell', 'Trade', 90.375000000000, 4.000000000000, 402.000000000000, 0.375000000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 14:19:01.844+00', 1759414741844, NULL, NULL, 'stream', '2025-10-02 14:19:01.864+00', '2026-11-21 20:56:41.867747+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-20', 'order-ETHUSDT-1759414741844', 'alpha_001-ec-mg9i3z9w', 'Sell', 'Trade', 104.500000000000, 2.000000000000, 201.000000000000, 0.062500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 14:19:01.844+00', 1759414741844, NULL, NULL, 'stream', '2025-10-02 14:19:01.864+00', '2026-11-21 20:56:41.867754+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-21', 'order-ETHUSDT-1759421548383', 'alpha_001-sl-mg9m5v8f', 'Buy', 'Trade', 108.375000000000, 1.000000000000, 100.500000000000, 0.687500000000, 'USDT', 0.000550000000, 2.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 16:12:28.383+00', 1759421548383, NULL, NULL, 'stream', '2025-10-02 16:12:28.403+00', '2026-11-21 20:56:41.86776+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-22', 'order-ETHUSDT-1759421548383', 'alpha_001-sl-mg9m5v8f', 'Buy', 'Trade', 99.625000000000, 1.000000000000, 100.500000000000, 0.812500000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 16:12:28.383+00', 1759421548383, NULL, NULL, 'stream', '2025-10-02 16:12:28.403+00', '2026-11-21 20:56:41.867767+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-23', 'order-ETHUSDT-1759421548383', 'alpha_001-sl-mg9m5v8f', 'Buy', 'Trade', 95.875000000000, 1.000000000000, 100.500000000000, 0.687500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 16:12:28.383+00', 1759421548383, NULL, NULL, 'stream', '2025-10-02 16:12:28.403+00', '2026-11-21 20:56:41.867774+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-24', 'order-ETHUSDT-1759427773896', 'beta_001-sl-mg9pvavc', 'Buy', 'Trade', 98.750000000000, 4.000000000000, 402.000000000000, 0.875000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 17:56:13.896+00', 1759427773896, NULL, NULL, 'stream', '2025-10-02 17:56:13.916+00', '2026-11-21 20:56:41.86778+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-25', 'order-ETHUSDT-1759435496306', 'beta_001-ec-mg9ugtiq', 'Buy', 'Trade', 102.125000000000, 1.000000000000, 100.500000000000, 0.562500000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 20:04:56.306+00', 1759435496306, NULL, NULL, 'stream', '2025-10-02 20:04:56.326+00', '2026-11-21 20:56:41.867792+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-26', 'order-ETHUSDT-1759435496306', 'beta_001-ec-mg9ugtiq', 'Buy', 'Trade', 93.125000000000, 1.000000000000, 100.500000000000, 0.125000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 20:04:56.306+00', 1759435496306, NULL, NULL, 'stream', '2025-10-02 20:04:56.326+00', '2026-11-21 20:56:41.8678+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-27', 'order-ETHUSDT-1759437606834', 'alpha_001-sl-mg9vq20i', 'Sell', 'Trade', 109.875000000000, 4.000000000000, 402.000000000000, 0.000000000000, 'USDT', 0.000550000000, 2.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 20:40:06.834+00', 1759437606834, NULL, NULL, 'stream', '2025-10-02 20:40:06.854+00', '2026-11-21 20:56:41.867806+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-28', 'order-ETHUSDT-1759437606834', 'alpha_001-sl-mg9vq20i', 'Sell', 'Trade', 109.500000000000, 2.000000000000, 201.000000000000, 0.687500000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 20:40:06.834+00', 1759437606834, NULL, NULL, 'stream', '2025-10-02 20:40:06.854+00', '2026-11-21 20:56:41.867812+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-29', 'order-ETHUSDT-1759437606834', 'alpha_001-sl-mg9vq20i', 'Sell', 'Trade', 107.375000000000, 2.000000000000, 201.000000000000, 0.312500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-02 20:40:06.834+00', 1759437606834, NULL, NULL, 'stream', '2025-10-02 20:40:06.854+00', '2026-11-21 20:56:41.867819+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-30', 'order-ETHUSDT-30', '', 'Sell', 'Funding', 100.500000000000, 1.000000000000, 100.500000000000, 1.250000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, '', 'Market', '', '2025-10-03 00:13:17.972+00', 1759450397972, NULL, NULL, 'stream', '2025-10-03 00:13:17.992+00', '2026-11-21 20:56:41.867825+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-31', 'order-ETHUSDT-1759454938434', 'alpha_001-tp-mga61j5u', 'Sell', 'Trade', 99.625000000000, 4.000000000000, 402.000000000000, 0.437500000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 01:28:58.434+00', 1759454938434, NULL, NULL, 'stream', '2025-10-03 01:28:58.454+00', '2026-11-21 20:56:41.867831+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-32', 'order-ETHUSDT-1759454938434', 'alpha_001-tp-mga61j5u', 'Sell', 'Trade', 90.250000000000, 1.000000000000, 100.500000000000, 0.625000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 01:28:58.434+00', 1759454938434, NULL, NULL, 'stream', '2025-10-03 01:28:58.454+00', '2026-11-21 20:56:41.867843+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-33', 'order-ETHUSDT-1759458947123', 'beta_001-sl-mga8fgab', 'Buy', 'Trade', 94.875000000000, 2.000000000000, 201.000000000000, 0.250000000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 02:35:47.123+00', 1759458947123, NULL, NULL, 'stream', '2025-10-03 02:35:47.143+00', '2026-11-21 20:56:41.867851+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-34', 'order-ETHUSDT-1759458947123', 'beta_001-sl-mga8fgab', 'Buy', 'Trade', 99.000000000000, 4.000000000000, 402.000000000000, 0.312500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 02:35:47.123+00', 1759458947123, NULL, NULL, 'stream', '2025-10-03 02:35:47.143+00', '2026-11-21 20:56:41.867908+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-35', 'order-ETHUSDT-1759463709712', 'alpha_001-r1-mgab9j4g', 'Buy', 'Trade', 99.375000000000, 1.000000000000, 100.500000000000, 0.625000000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 03:55:09.712+00', 1759463709712, NULL, NULL, 'stream', '2025-10-03 03:55:09.732+00', '2026-11-21 20:56:41.867917+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-36', 'order-ETHUSDT-1759463709712', 'alpha_001-r1-mgab9j4g', 'Buy', 'Trade', 99.500000000000, 4.000000000000, 402.000000000000, 0.375000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 03:55:09.712+00', 1759463709712, NULL, NULL, 'stream', '2025-10-03 03:55:09.732+00', '2026-11-21 20:56:41.867924+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-37', 'order-ETHUSDT-1759467162625', 'alpha_001-r1-mgadbjep', 'Sell', 'Trade', 106.000000000000, 4.000000000000, 402.000000000000, 0.562500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 04:52:42.625+00', 1759467162625, NULL, NULL, 'stream', '2025-10-03 04:52:42.645+00', '2026-11-21 20:56:41.86793+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-38', 'order-ETHUSDT-1759481861835', 'alpha_001-r1-mgam2le3', 'Buy', 'Trade', 95.750000000000, 1.000000000000, 100.500000000000, 0.500000000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 08:57:41.835+00', 1759481861835, NULL, NULL, 'stream', '2025-10-03 08:57:41.855+00', '2026-11-21 20:56:41.867936+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-39', 'order-ETHUSDT-1759498050994', 'beta_001-r1-mgavpl0y', 'Buy', 'Trade', 91.000000000000, 1.000000000000, 100.500000000000, 0.437500000000, 'USDT', 0.000550000000, 1.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 13:27:30.994+00', 1759498050994, NULL, NULL, 'stream', '2025-10-03 13:27:31.014+00', '2026-11-21 20:56:41.867942+00');
INSERT INTO trading.executions VALUES ('main', 'ETHUSDT', 'ETHUSDT-40', 'order-ETHUSDT-1759498050994', 'beta_001-r1-mgavpl0y', 'Buy', 'Trade', 108.500000000000, 1.000000000000, 100.500000000000, 0.937500000000, 'USDT', 0.000550000000, 0.000000000000, NULL, false, 'CreateByUser', 'Market', '', '2025-10-03 13:27:30.994+00', 1759498050994, NULL, NULL, 'stream', '2025-10-03 13:27:31.014+00', '2026-11-21 20:56:41.867948+00');


--
-- Data for Name: fills; Type: TABLE DATA; Schema: trading; Owner: -
--

INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-0', 'alpha_001', 1, 'order-BTCUSDT-1759322678535', 'alpha_001-sl-mg7zaqrr', 'alpha_001:stop_loss:1759322678535', 'Sell', 'Trade', 97.125000000000, 4.000000000000, DEFAULT, 0.000000000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, -4.000000000000, false, '2025-10-01 12:44:38.535+00', 1759322678535);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-1', 'alpha_001', 1, 'order-BTCUSDT-1759322678535', 'alpha_001-sl-mg7zaqrr', 'alpha_001:stop_loss:1759322678535', 'Sell', 'Trade', 103.500000000000, 4.000000000000, DEFAULT, 0.000000000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, -8.000000000000, false, '2025-10-01 12:44:38.535+00', 1759322678535);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-2', 'alpha_001', 1, 'order-BTCUSDT-1759322678535', 'alpha_001-sl-mg7zaqrr', 'alpha_001:stop_loss:1759322678535', 'Sell', 'Trade', 91.000000000000, 4.000000000000, DEFAULT, 0.375000000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, -12.000000000000, false, '2025-10-01 12:44:38.535+00', 1759322678535);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-3', 'beta_001', 1, 'order-BTCUSDT-1759330825867', 'beta_001-sl-mg845daj', 'beta_001:stop_loss:1759330825867', 'Sell', 'Trade', 109.250000000000, 4.000000000000, DEFAULT, 0.937500000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, -4.000000000000, false, '2025-10-01 15:00:25.867+00', 1759330825867);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-4', 'beta_001', 1, 'order-BTCUSDT-1759330825867', 'beta_001-sl-mg845daj', 'beta_001:stop_loss:1759330825867', 'Sell', 'Trade', 93.875000000000, 1.000000000000, DEFAULT, 0.062500000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, -5.000000000000, false, '2025-10-01 15:00:25.867+00', 1759330825867);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-5', 'beta_001', 1, 'order-BTCUSDT-1759330825867', 'beta_001-sl-mg845daj', 'beta_001:stop_loss:1759330825867', 'Sell', 'Trade', 90.875000000000, 1.000000000000, DEFAULT, 0.437500000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, -6.000000000000, false, '2025-10-01 15:00:25.867+00', 1759330825867);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-6', 'beta_001', 1, 'order-BTCUSDT-1759337416368', 'beta_001-sl-mg882mk0', 'beta_001:stop_loss:1759337416368', 'Sell', 'Trade', 101.625000000000, 4.000000000000, DEFAULT, 0.250000000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, -10.000000000000, false, '2025-10-01 16:50:16.368+00', 1759337416368);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-7', 'beta_001', 1, 'order-BTCUSDT-1759337416368', 'beta_001-sl-mg882mk0', 'beta_001:stop_loss:1759337416368', 'Sell', 'Trade', 97.375000000000, 4.000000000000, DEFAULT, 0.312500000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, -14.000000000000, false, '2025-10-01 16:50:16.368+00', 1759337416368);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-8', 'beta_001', 1, 'order-BTCUSDT-1759337416368', 'beta_001-sl-mg882mk0', 'beta_001:stop_loss:1759337416368', 'Sell', 'Trade', 109.000000000000, 2.000000000000, DEFAULT, 0.062500000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, -16.000000000000, false, '2025-10-01 16:50:16.368+00', 1759337416368);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-9', 'beta_001', 0, 'order-BTCUSDT-1759345069228', 'beta_001-sl-mg8cmnjg', 'beta_001:stop_loss:1759345069228', 'Buy', 'Trade', 107.750000000000, 1.000000000000, DEFAULT, 0.187500000000, 'USDT', 'exit', 'stop_loss', DEFAULT, 'id', 'id', 1.500000000000, -15.000000000000, false, '2025-10-01 18:57:49.228+00', 1759345069228);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-11', 'beta_001', 1, 'order-BTCUSDT-1759375924723', 'beta_001-ec-mg8uzzsj', 'beta_001:ema_cross:1759375924723', 'Sell', 'Trade', 103.375000000000, 2.000000000000, DEFAULT, 0.000000000000, 'USDT', 'entry', 'ema_cross', DEFAULT, 'id', 'id', 0.000000000000, -17.000000000000, false, '2025-10-02 03:32:04.723+00', 1759375924723);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-12', 'beta_001', 1, 'order-BTCUSDT-1759375924723', 'beta_001-ec-mg8uzzsj', 'beta_001:ema_cross:1759375924723', 'Sell', 'Trade', 99.000000000000, 1.000000000000, DEFAULT, 0.812500000000, 'USDT', 'entry', 'ema_cross', DEFAULT, 'id', 'id', 0.000000000000, -18.000000000000, false, '2025-10-02 03:32:04.723+00', 1759375924723);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-13', 'beta_001', 0, 'order-BTCUSDT-1759379401019', 'beta_001-ec-mg8x2i4b', 'beta_001:ema_cross:1759379401019', 'Buy', 'Trade', 98.250000000000, 1.000000000000, DEFAULT, 0.062500000000, 'USDT', 'exit', 'ema_cross', DEFAULT, 'id', 'id', 11.000000000000, -17.000000000000, false, '2025-10-02 04:30:01.019+00', 1759379401019);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-14', 'alpha_001', 0, 'order-BTCUSDT-1759394336841', 'alpha_001-ec-mg95ymo9', 'alpha_001:ema_cross:1759394336841', 'Buy', 'Trade', 107.500000000000, 4.000000000000, DEFAULT, 0.500000000000, 'USDT', 'exit', 'ema_cross', DEFAULT, 'id', 'id', -41.500000000000, -8.000000000000, false, '2025-10-02 08:38:56.841+00', 1759394336841);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-15', 'alpha_001', 1, 'order-BTCUSDT-1759406471727', 'alpha_001-ec-mg9d6q0f', 'alpha_001:ema_cross:1759406471727', 'Sell', 'Trade', 92.875000000000, 1.000000000000, DEFAULT, 0.375000000000, 'USDT', 'entry', 'ema_cross', DEFAULT, 'id', 'id', 0.000000000000, -9.000000000000, false, '2025-10-02 12:01:11.727+00', 1759406471727);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-18', 'alpha_001', 1, 'order-BTCUSDT-1759438425996', 'alpha_001-sl-mg9w7m30', 'alpha_001:stop_loss:1759438425996', 'Sell', 'Trade', 107.250000000000, 2.000000000000, DEFAULT, 0.187500000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, -11.000000000000, false, '2025-10-02 20:53:45.996+00', 1759438425996);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-19', 'alpha_001', 1, 'order-BTCUSDT-1759438425996', 'alpha_001-sl-mg9w7m30', 'alpha_001:stop_loss:1759438425996', 'Sell', 'Trade', 104.000000000000, 1.000000000000, DEFAULT, 0.687500000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, -12.000000000000, false, '2025-10-02 20:53:45.996+00', 1759438425996);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-20', 'alpha_001', 1, 'order-BTCUSDT-1759438425996', 'alpha_001-sl-mg9w7m30', 'alpha_001:stop_loss:1759438425996', 'Sell', 'Trade', 95.500000000000, 2.000000000000, DEFAULT, 0.062500000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, -14.000000000000, false, '2025-10-02 20:53:45.996+00', 1759438425996);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-21', 'beta_001', 1, 'order-BTCUSDT-1759439949290', 'beta_001-sl-mg9x49gq', 'beta_001:stop_loss:1759439949290', 'Sell', 'Trade', 98.875000000000, 1.000000000000, DEFAULT, 0.187500000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, -18.000000000000, false, '2025-10-02 21:19:09.29+00', 1759439949290);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-22', 'alpha_001', 1, 'order-BTCUSDT-1759451193130', 'alpha_001-r1-mga3t99m', 'alpha_001:rule_1:1759451193130', 'Sell', 'Trade', 106.750000000000, 1.000000000000, DEFAULT, 0.312500000000, 'USDT', 'entry', 'rule_1', DEFAULT, 'id', 'id', 0.000000000000, -15.000000000000, false, '2025-10-03 00:26:33.13+00', 1759451193130);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-23', 'alpha_001', 1, 'order-BTCUSDT-1759451193130', 'alpha_001-r1-mga3t99m', 'alpha_001:rule_1:1759451193130', 'Sell', 'Trade', 108.250000000000, 2.000000000000, DEFAULT, 0.187500000000, 'USDT', 'entry', 'rule_1', DEFAULT, 'id', 'id', 0.000000000000, -17.000000000000, false, '2025-10-03 00:26:33.13+00', 1759451193130);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-24', 'alpha_001', 1, 'order-BTCUSDT-1759455960452', 'alpha_001-sl-mga6nfr8', 'alpha_001:stop_loss:1759455960452', 'Sell', 'Trade', 94.875000000000, 2.000000000000, DEFAULT, 0.375000000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, -19.000000000000, false, '2025-10-03 01:46:00.452+00', 1759455960452);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-25', 'beta_001', 0, 'order-BTCUSDT-1759471560076', 'beta_001-ec-mgafxsi4', 'beta_001:ema_cross:1759471560076', 'Buy', 'Trade', 94.625000000000, 4.000000000000, DEFAULT, 0.312500000000, 'USDT', 'exit', 'ema_cross', DEFAULT, 'id', 'id', 24.750000000000, -14.000000000000, false, '2025-10-03 06:06:00.076+00', 1759471560076);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-26', 'beta_001', 0, 'order-BTCUSDT-1759485876271', 'beta_001-ec-mgaogmy7', 'beta_001:ema_cross:1759485876271', 'Buy', 'Trade', 95.875000000000, 4.000000000000, DEFAULT, 0.375000000000, 'USDT', 'exit', 'ema_cross', DEFAULT, 'id', 'id', 23.000000000000, -10.000000000000, false, '2025-10-03 10:04:36.271+00', 1759485876271);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-27', 'beta_001', 0, 'order-BTCUSDT-1759485876271', 'beta_001-ec-mgaogmy7', 'beta_001:ema_cross:1759485876271', 'Buy', 'Trade', 90.750000000000, 2.000000000000, DEFAULT, 0.250000000000, 'USDT', 'exit', 'ema_cross', DEFAULT, 'id', 'id', 13.250000000000, -8.000000000000, false, '2025-10-03 10:04:36.271+00', 1759485876271);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-28', 'alpha_001', 1, 'order-BTCUSDT-1759498854494', 'alpha_001-ec-mgaw6t0e', 'alpha_001:ema_cross:1759498854494', 'Sell', 'Trade', 108.500000000000, 1.000000000000, DEFAULT, 0.125000000000, 'USDT', 'entry', 'ema_cross', DEFAULT, 'id', 'id', 0.000000000000, -20.000000000000, false, '2025-10-03 13:40:54.494+00', 1759498854494);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-29', 'beta_001', 0, 'order-BTCUSDT-1759509675979', 'beta_001-ec-mgb2mqx7', 'beta_001:ema_cross:1759509675979', 'Buy', 'Trade', 103.625000000000, 1.000000000000, DEFAULT, 0.812500000000, 'USDT', 'exit', 'ema_cross', DEFAULT, 'id', 'id', -6.250000000000, -7.000000000000, false, '2025-10-03 16:41:15.979+00', 1759509675979);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-30', 'beta_001', 1, 'order-BTCUSDT-1759510349987', 'beta_001-sl-mgb316zn', 'beta_001:stop_loss:1759510349987', 'Sell', 'Trade', 107.750000000000, 2.000000000000, DEFAULT, 0.437500000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, -9.000000000000, false, '2025-10-03 16:52:29.987+00', 1759510349987);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-31', 'alpha_001', 1, 'order-BTCUSDT-1759510772026', 'alpha_001-r1-mgb3a8my', 'alpha_001:rule_1:1759510772026', 'Sell', 'Trade', 106.125000000000, 1.000000000000, DEFAULT, 0.125000000000, 'USDT', 'entry', 'rule_1', DEFAULT, 'id', 'id', 0.000000000000, -21.000000000000, false, '2025-10-03 16:59:32.026+00', 1759510772026);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-32', 'alpha_001', 1, 'order-BTCUSDT-1759526663339', 'alpha_001-r1-mgbcqugb', 'alpha_001:rule_1:1759526663339', 'Sell', 'Trade', 92.500000000000, 4.000000000000, DEFAULT, 0.250000000000, 'USDT', 'entry', 'rule_1', DEFAULT, 'id', 'id', 0.000000000000, -25.000000000000, false, '2025-10-03 21:24:23.339+00', 1759526663339);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-33', 'alpha_001', 1, 'order-BTCUSDT-1759530443200', 'alpha_001-tp-mgbezv0g', 'alpha_001:take_profit:1759530443200', 'Sell', 'Trade', 95.625000000000, 4.000000000000, DEFAULT, 0.062500000000, 'USDT', 'entry', 'take_profit', DEFAULT, 'id', 'id', 0.000000000000, -29.000000000000, false, '2025-10-03 22:27:23.2+00', 1759530443200);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-34', 'beta_001', 0, 'order-BTCUSDT-1759538868801', 'beta_001-tp-mgbk0g8x', 'beta_001:take_profit:1759538868801', 'Buy', 'Trade', 107.000000000000, 1.000000000000, DEFAULT, 0.812500000000, 'USDT', 'exit', 'take_profit', DEFAULT, 'id', 'id', -9.625000000000, -8.000000000000, false, '2025-10-04 00:47:48.801+00', 1759538868801);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-35', 'beta_001', 1, 'order-BTCUSDT-1759541844308', 'beta_001-ec-mgbls85w', 'beta_001:ema_cross:1759541844308', 'Sell', 'Trade', 102.375000000000, 1.000000000000, DEFAULT, 0.062500000000, 'USDT', 'entry', 'ema_cross', DEFAULT, 'id', 'id', 0.000000000000, -9.000000000000, false, '2025-10-04 01:37:24.308+00', 1759541844308);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-36', 'beta_001', 0, 'order-BTCUSDT-1759556759078', 'beta_001-ec-mgbunwh2', 'beta_001:ema_cross:1759556759078', 'Buy', 'Trade', 96.250000000000, 4.000000000000, DEFAULT, 0.937500000000, 'USDT', 'exit', 'ema_cross', DEFAULT, 'id', 'id', 39.750000000000, -5.000000000000, false, '2025-10-04 05:45:59.078+00', 1759556759078);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-37', 'alpha_001', 1, 'order-BTCUSDT-1759557219265', 'alpha_001-ec-mgbuxrk1', 'alpha_001:ema_cross:1759557219265', 'Sell', 'Trade', 102.875000000000, 2.000000000000, DEFAULT, 0.500000000000, 'USDT', 'entry', 'ema_cross', DEFAULT, 'id', 'id', 0.000000000000, -31.000000000000, false, '2025-10-04 05:53:39.265+00', 1759557219265);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'BTCUSDT-39', 'beta_001', 0, 'order-BTCUSDT-1759577277089', 'beta_001-sl-mgc6vo9t', 'beta_001:stop_loss:1759577277089', 'Buy', 'Trade', 90.500000000000, 2.000000000000, DEFAULT, 0.250000000000, 'USDT', 'exit', 'stop_loss', DEFAULT, 'id', 'id', 16.875000000000, -3.000000000000, false, '2025-10-04 11:27:57.089+00', 1759577277089);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'stray', 'alpha_001', 1, 'order-stray', '', NULL, 'Sell', 'Trade', 100.500000000000, 1.000000000000, DEFAULT, 0.050000000000, 'USDT', 'entry', 'manual_entry', DEFAULT, 'effect', 'override', 0.000000000000, -32.000000000000, false, '2025-10-04 11:27:57.09+00', 1759577277090);
INSERT INTO trading.fills VALUES ('main', 'BTCUSDT', 'adjustment-1', 'manual', 1, '', '', NULL, 'Buy', 'Adjustment', 100.500000000000, 0.500000000000, DEFAULT, 0.000000000000, 'USDT', 'entry', 'manual_entry', DEFAULT, 'effect', 'manual', 0.000000000000, 0.500000000000, false, '2025-10-04 11:27:57.091+00', 0);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-0', 'alpha_001', 1, 'order-ETHUSDT-1759311492104', 'alpha_001-r1-mg7smz9k', 'alpha_001:rule_1:1759311492104', 'Buy', 'Trade', 90.625000000000, 2.000000000000, DEFAULT, 0.812500000000, 'USDT', 'entry', 'rule_1', DEFAULT, 'id', 'id', 0.000000000000, 2.000000000000, false, '2025-10-01 09:38:12.104+00', 1759311492104);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-1', 'alpha_001', 1, 'order-ETHUSDT-1759311492104', 'alpha_001-r1-mg7smz9k', 'alpha_001:rule_1:1759311492104', 'Buy', 'Trade', 96.375000000000, 4.000000000000, DEFAULT, 0.812500000000, 'USDT', 'entry', 'rule_1', DEFAULT, 'id', 'id', 0.000000000000, 6.000000000000, false, '2025-10-01 09:38:12.104+00', 1759311492104);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-2', 'alpha_001', 1, 'order-ETHUSDT-1759311492104', 'alpha_001-r1-mg7smz9k', 'alpha_001:rule_1:1759311492104', 'Buy', 'Trade', 100.125000000000, 1.000000000000, DEFAULT, 0.187500000000, 'USDT', 'entry', 'rule_1', DEFAULT, 'id', 'id', 0.000000000000, 7.000000000000, false, '2025-10-01 09:38:12.104+00', 1759311492104);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-3', 'beta_001', 1, 'order-ETHUSDT-1759315602066', 'beta_001-sl-mg7v32j6', 'beta_001:stop_loss:1759315602066', 'Buy', 'Trade', 99.750000000000, 1.000000000000, DEFAULT, 0.312500000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, 1.000000000000, false, '2025-10-01 10:46:42.066+00', 1759315602066);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-4', 'beta_001', 1, 'order-ETHUSDT-1759315602066', 'beta_001-sl-mg7v32j6', 'beta_001:stop_loss:1759315602066', 'Buy', 'Trade', 100.625000000000, 4.000000000000, DEFAULT, 0.562500000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, 5.000000000000, false, '2025-10-01 10:46:42.066+00', 1759315602066);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-5', 'alpha_001', 0, 'order-ETHUSDT-1759325072758', 'alpha_001-tp-mg80q25y', 'alpha_001:take_profit:1759325072758', 'Sell', 'Trade', 103.750000000000, 4.000000000000, DEFAULT, 0.437500000000, 'USDT', 'exit', 'take_profit', DEFAULT, 'id', 'id', 41.000000000000, 3.000000000000, false, '2025-10-01 13:24:32.758+00', 1759325072758);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-6', 'alpha_001', 1, 'order-ETHUSDT-1759334520055', 'alpha_001-r1-mg86cjqv', 'alpha_001:rule_1:1759334520055', 'Buy', 'Trade', 109.375000000000, 4.000000000000, DEFAULT, 0.062500000000, 'USDT', 'entry', 'rule_1', DEFAULT, 'id', 'id', 0.000000000000, 7.000000000000, false, '2025-10-01 16:02:00.055+00', 1759334520055);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-7', 'beta_001', 1, 'order-ETHUSDT-1759341725618', 'beta_001-tp-mg8amzle', 'beta_001:take_profit:1759341725618', 'Buy', 'Trade', 90.250000000000, 4.000000000000, DEFAULT, 0.625000000000, 'USDT', 'entry', 'take_profit', DEFAULT, 'id', 'id', 0.000000000000, 9.000000000000, false, '2025-10-01 18:02:05.618+00', 1759341725618);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-8', 'beta_001', 1, 'order-ETHUSDT-1759352364008', 'beta_001-r1-mg8gz088', 'beta_001:rule_1:1759352364008', 'Buy', 'Trade', 106.375000000000, 1.000000000000, DEFAULT, 0.687500000000, 'USDT', 'entry', 'rule_1', DEFAULT, 'id', 'id', 0.000000000000, 10.000000000000, false, '2025-10-01 20:59:24.008+00', 1759352364008);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-9', 'alpha_001', 1, 'order-ETHUSDT-1759363926685', 'alpha_001-r1-mg8nuu1p', 'alpha_001:rule_1:1759363926685', 'Buy', 'Trade', 99.125000000000, 1.000000000000, DEFAULT, 0.250000000000, 'USDT', 'entry', 'rule_1', DEFAULT, 'id', 'id', 0.000000000000, 8.000000000000, false, '2025-10-02 00:12:06.685+00', 1759363926685);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-10', 'alpha_001', 1, 'order-ETHUSDT-1759363926685', 'alpha_001-r1-mg8nuu1p', 'alpha_001:rule_1:1759363926685', 'Buy', 'Trade', 99.375000000000, 4.000000000000, DEFAULT, 0.312500000000, 'USDT', 'entry', 'rule_1', DEFAULT, 'id', 'id', 0.000000000000, 12.000000000000, false, '2025-10-02 00:12:06.685+00', 1759363926685);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-12', 'beta_001', 0, 'order-ETHUSDT-1759371186922', 'beta_001-tp-mg8s6g2y', 'beta_001:take_profit:1759371186922', 'Sell', 'Trade', 106.375000000000, 1.000000000000, DEFAULT, 0.187500000000, 'USDT', 'exit', 'take_profit', DEFAULT, 'id', 'id', 6.625000000000, 9.000000000000, false, '2025-10-02 02:13:06.922+00', 1759371186922);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-13', 'alpha_001', 1, 'order-ETHUSDT-1759386570488', 'alpha_001-tp-mg91c648', 'alpha_001:take_profit:1759386570488', 'Buy', 'Trade', 108.000000000000, 2.000000000000, DEFAULT, 0.250000000000, 'USDT', 'entry', 'take_profit', DEFAULT, 'id', 'id', 0.000000000000, 14.000000000000, false, '2025-10-02 06:29:30.488+00', 1759386570488);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-15', 'alpha_001', 0, 'order-ETHUSDT-1759409990282', 'alpha_001-ec-mg9fa4y2', 'alpha_001:ema_cross:1759409990282', 'Sell', 'Trade', 107.500000000000, 2.000000000000, DEFAULT, 0.000000000000, 'USDT', 'exit', 'ema_cross', DEFAULT, 'id', 'id', 22.250000000000, 12.000000000000, false, '2025-10-02 12:59:50.282+00', 1759409990282);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-16', 'alpha_001', 0, 'order-ETHUSDT-1759409990282', 'alpha_001-ec-mg9fa4y2', 'alpha_001:ema_cross:1759409990282', 'Sell', 'Trade', 106.500000000000, 4.000000000000, DEFAULT, 0.000000000000, 'USDT', 'exit', 'ema_cross', DEFAULT, 'id', 'id', -2.250000000000, 8.000000000000, false, '2025-10-02 12:59:50.282+00', 1759409990282);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-17', 'alpha_001', 0, 'order-ETHUSDT-1759409990282', 'alpha_001-ec-mg9fa4y2', 'alpha_001:ema_cross:1759409990282', 'Sell', 'Trade', 97.000000000000, 2.000000000000, DEFAULT, 0.687500000000, 'USDT', 'exit', 'ema_cross', DEFAULT, 'id', 'id', -14.500000000000, 6.000000000000, false, '2025-10-02 12:59:50.282+00', 1759409990282);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-18', 'alpha_001', 0, 'order-ETHUSDT-1759414741844', 'alpha_001-ec-mg9i3z9w', 'alpha_001:ema_cross:1759414741844', 'Sell', 'Trade', 107.375000000000, 4.000000000000, DEFAULT, 0.312500000000, 'USDT', 'exit', 'ema_cross', DEFAULT, 'id', 'id', 32.000000000000, 2.000000000000, false, '2025-10-02 14:19:01.844+00', 1759414741844);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-19', 'alpha_001', 0, 'order-ETHUSDT-1759414741844', 'alpha_001-ec-mg9i3z9w', 'alpha_001:ema_cross:1759414741844', 'Sell', 'Trade', 90.375000000000, 2.000000000000, DEFAULT, 0.187500000000, 'USDT', 'exit', 'ema_cross', DEFAULT, 'id', 'id', -35.250000000000, 0.000000000000, false, '2025-10-02 14:19:01.844+00', 1759414741844);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-19', 'alpha_001', 1, 'order-ETHUSDT-1759414741844', 'alpha_001-ec-mg9i3z9w', 'alpha_001:ema_cross:1759414741844', 'Sell', 'Trade', 90.375000000000, 2.000000000000, DEFAULT, 0.187500000000, 'USDT', 'entry', 'ema_cross', DEFAULT, 'id', 'id', 0.000000000000, -2.000000000000, false, '2025-10-02 14:19:01.844+00', 1759414741844);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-20', 'alpha_001', 1, 'order-ETHUSDT-1759414741844', 'alpha_001-ec-mg9i3z9w', 'alpha_001:ema_cross:1759414741844', 'Sell', 'Trade', 104.500000000000, 2.000000000000, DEFAULT, 0.062500000000, 'USDT', 'entry', 'ema_cross', DEFAULT, 'id', 'id', 0.000000000000, -4.000000000000, false, '2025-10-02 14:19:01.844+00', 1759414741844);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-21', 'alpha_001', 0, 'order-ETHUSDT-1759421548383', 'alpha_001-sl-mg9m5v8f', 'alpha_001:stop_loss:1759421548383', 'Buy', 'Trade', 108.375000000000, 1.000000000000, DEFAULT, 0.687500000000, 'USDT', 'exit', 'stop_loss', DEFAULT, 'id', 'id', -18.000000000000, -3.000000000000, false, '2025-10-02 16:12:28.383+00', 1759421548383);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-22', 'alpha_001', 0, 'order-ETHUSDT-1759421548383', 'alpha_001-sl-mg9m5v8f', 'alpha_001:stop_loss:1759421548383', 'Buy', 'Trade', 99.625000000000, 1.000000000000, DEFAULT, 0.812500000000, 'USDT', 'exit', 'stop_loss', DEFAULT, 'id', 'id', -9.250000000000, -2.000000000000, false, '2025-10-02 16:12:28.383+00', 1759421548383);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-23', 'alpha_001', 0, 'order-ETHUSDT-1759421548383', 'alpha_001-sl-mg9m5v8f', 'alpha_001:stop_loss:1759421548383', 'Buy', 'Trade', 95.875000000000, 1.000000000000, DEFAULT, 0.687500000000, 'USDT', 'exit', 'stop_loss', DEFAULT, 'id', 'id', 8.625000000000, -1.000000000000, false, '2025-10-02 16:12:28.383+00', 1759421548383);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-24', 'beta_001', 1, 'order-ETHUSDT-1759427773896', 'beta_001-sl-mg9pvavc', 'beta_001:stop_loss:1759427773896', 'Buy', 'Trade', 98.750000000000, 4.000000000000, DEFAULT, 0.875000000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, 13.000000000000, false, '2025-10-02 17:56:13.896+00', 1759427773896);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-25', 'beta_001', 1, 'order-ETHUSDT-1759435496306', 'beta_001-ec-mg9ugtiq', 'beta_001:ema_cross:1759435496306', 'Buy', 'Trade', 102.125000000000, 1.000000000000, DEFAULT, 0.562500000000, 'USDT', 'entry', 'ema_cross', DEFAULT, 'id', 'id', 0.000000000000, 14.000000000000, false, '2025-10-02 20:04:56.306+00', 1759435496306);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-26', 'beta_001', 1, 'order-ETHUSDT-1759435496306', 'beta_001-ec-mg9ugtiq', 'beta_001:ema_cross:1759435496306', 'Buy', 'Trade', 93.125000000000, 1.000000000000, DEFAULT, 0.125000000000, 'USDT', 'entry', 'ema_cross', DEFAULT, 'id', 'id', 0.000000000000, 15.000000000000, false, '2025-10-02 20:04:56.306+00', 1759435496306);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-27', 'alpha_001', 1, 'order-ETHUSDT-1759437606834', 'alpha_001-sl-mg9vq20i', 'alpha_001:stop_loss:1759437606834', 'Sell', 'Trade', 109.875000000000, 4.000000000000, DEFAULT, 0.000000000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, -5.000000000000, false, '2025-10-02 20:40:06.834+00', 1759437606834);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-28', 'alpha_001', 1, 'order-ETHUSDT-1759437606834', 'alpha_001-sl-mg9vq20i', 'alpha_001:stop_loss:1759437606834', 'Sell', 'Trade', 109.500000000000, 2.000000000000, DEFAULT, 0.687500000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, -7.000000000000, false, '2025-10-02 20:40:06.834+00', 1759437606834);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-29', 'alpha_001', 1, 'order-ETHUSDT-1759437606834', 'alpha_001-sl-mg9vq20i', 'alpha_001:stop_loss:1759437606834', 'Sell', 'Trade', 107.375000000000, 2.000000000000, DEFAULT, 0.312500000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, -9.000000000000, false, '2025-10-02 20:40:06.834+00', 1759437606834);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-31', 'alpha_001', 1, 'order-ETHUSDT-1759454938434', 'alpha_001-tp-mga61j5u', 'alpha_001:take_profit:1759454938434', 'Sell', 'Trade', 99.625000000000, 4.000000000000, DEFAULT, 0.437500000000, 'USDT', 'entry', 'take_profit', DEFAULT, 'id', 'id', 0.000000000000, -13.000000000000, false, '2025-10-03 01:28:58.434+00', 1759454938434);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-32', 'alpha_001', 1, 'order-ETHUSDT-1759454938434', 'alpha_001-tp-mga61j5u', 'alpha_001:take_profit:1759454938434', 'Sell', 'Trade', 90.250000000000, 1.000000000000, DEFAULT, 0.625000000000, 'USDT', 'entry', 'take_profit', DEFAULT, 'id', 'id', 0.000000000000, -14.000000000000, false, '2025-10-03 01:28:58.434+00', 1759454938434);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-33', 'beta_001', 1, 'order-ETHUSDT-1759458947123', 'beta_001-sl-mga8fgab', 'beta_001:stop_loss:1759458947123', 'Buy', 'Trade', 94.875000000000, 2.000000000000, DEFAULT, 0.250000000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, 17.000000000000, false, '2025-10-03 02:35:47.123+00', 1759458947123);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-34', 'beta_001', 1, 'order-ETHUSDT-1759458947123', 'beta_001-sl-mga8fgab', 'beta_001:stop_loss:1759458947123', 'Buy', 'Trade', 99.000000000000, 4.000000000000, DEFAULT, 0.312500000000, 'USDT', 'entry', 'stop_loss', DEFAULT, 'id', 'id', 0.000000000000, 21.000000000000, false, '2025-10-03 02:35:47.123+00', 1759458947123);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-35', 'alpha_001', 0, 'order-ETHUSDT-1759463709712', 'alpha_001-r1-mgab9j4g', 'alpha_001:rule_1:1759463709712', 'Buy', 'Trade', 99.375000000000, 1.000000000000, DEFAULT, 0.625000000000, 'USDT', 'exit', 'rule_1', DEFAULT, 'id', 'id', 5.125000000000, -13.000000000000, false, '2025-10-03 03:55:09.712+00', 1759463709712);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-36', 'alpha_001', 0, 'order-ETHUSDT-1759463709712', 'alpha_001-r1-mgab9j4g', 'alpha_001:rule_1:1759463709712', 'Buy', 'Trade', 99.500000000000, 4.000000000000, DEFAULT, 0.375000000000, 'USDT', 'exit', 'rule_1', DEFAULT, 'id', 'id', 41.500000000000, -9.000000000000, false, '2025-10-03 03:55:09.712+00', 1759463709712);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-37', 'alpha_001', 1, 'order-ETHUSDT-1759467162625', 'alpha_001-r1-mgadbjep', 'alpha_001:rule_1:1759467162625', 'Sell', 'Trade', 106.000000000000, 4.000000000000, DEFAULT, 0.562500000000, 'USDT', 'entry', 'rule_1', DEFAULT, 'id', 'id', 0.000000000000, -13.000000000000, false, '2025-10-03 04:52:42.625+00', 1759467162625);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-38', 'alpha_001', 0, 'order-ETHUSDT-1759481861835', 'alpha_001-r1-mgam2le3', 'alpha_001:rule_1:1759481861835', 'Buy', 'Trade', 95.750000000000, 1.000000000000, DEFAULT, 0.500000000000, 'USDT', 'exit', 'rule_1', DEFAULT, 'id', 'id', 13.750000000000, -12.000000000000, false, '2025-10-03 08:57:41.835+00', 1759481861835);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-39', 'beta_001', 1, 'order-ETHUSDT-1759498050994', 'beta_001-r1-mgavpl0y', 'beta_001:rule_1:1759498050994', 'Buy', 'Trade', 91.000000000000, 1.000000000000, DEFAULT, 0.437500000000, 'USDT', 'entry', 'rule_1', DEFAULT, 'id', 'id', 0.000000000000, 22.000000000000, false, '2025-10-03 13:27:30.994+00', 1759498050994);
INSERT INTO trading.fills VALUES ('main', 'ETHUSDT', 'ETHUSDT-40', 'beta_001', 1, 'order-ETHUSDT-1759498050994', 'beta_001-r1-mgavpl0y', 'beta_001:rule_1:1759498050994', 'Buy', 'Trade', 108.500000000000, 1.000000000000, DEFAULT, 0.937500000000, 'USDT', 'entry', 'rule_1', DEFAULT, 'id', 'id', 0.000000000000, 23.000000000000, false, '2025-10-03 13:27:30.994+00', 1759498050994);


--
-- Data for Name: funding_payments; Type: TABLE DATA; Schema: trading; Owner: -
--

INSERT INTO trading.funding_payments VALUES ('main', 'BTCUSDT', 'BTCUSDT-10', 'alpha_001', -12.000000000000, 0.000550000000, 0.000000000000, 'USDT', '2025-10-01 22:53:51.093+00', 1759359231093);
INSERT INTO trading.funding_payments VALUES ('main', 'BTCUSDT', 'BTCUSDT-10', 'beta_001', -15.000000000000, 0.000550000000, 0.000000000000, 'USDT', '2025-10-01 22:53:51.093+00', 1759359231093);
INSERT INTO trading.funding_payments VALUES ('main', 'BTCUSDT', 'BTCUSDT-16', 'alpha_001', -9.000000000000, 0.000550000000, 1.687500000000, 'USDT', '2025-10-02 16:10:55.366+00', 1759421455366);
INSERT INTO trading.funding_payments VALUES ('main', 'BTCUSDT', 'BTCUSDT-16', 'beta_001', -17.000000000000, 0.000550000000, 3.187500000000, 'USDT', '2025-10-02 16:10:55.366+00', 1759421455366);
INSERT INTO trading.funding_payments VALUES ('main', 'BTCUSDT', 'BTCUSDT-17', 'alpha_001', -9.000000000000, 0.000550000000, -1.168269230769, 'USDT', '2025-10-02 18:04:48.016+00', 1759428288016);
INSERT INTO trading.funding_payments VALUES ('main', 'BTCUSDT', 'BTCUSDT-17', 'beta_001', -17.000000000000, 0.000550000000, -2.206730769231, 'USDT', '2025-10-02 18:04:48.016+00', 1759428288016);
INSERT INTO trading.funding_payments VALUES ('main', 'BTCUSDT', 'BTCUSDT-38', 'alpha_001', -31.000000000000, 0.000550000000, -1.506944444444, 'USDT', '2025-10-04 10:05:38.649+00', 1759572338649);
INSERT INTO trading.funding_payments VALUES ('main', 'BTCUSDT', 'BTCUSDT-38', 'beta_001', -5.000000000000, 0.000550000000, -0.243055555556, 'USDT', '2025-10-04 10:05:38.649+00', 1759572338649);
INSERT INTO trading.funding_payments VALUES ('main', 'ETHUSDT', 'ETHUSDT-11', 'alpha_001', 12.000000000000, 0.000550000000, -1.500000000000, 'USDT', '2025-10-02 00:27:51.481+00', 1759364871481);
INSERT INTO trading.funding_payments VALUES ('main', 'ETHUSDT', 'ETHUSDT-11', 'beta_001', 10.000000000000, 0.000550000000, -1.250000000000, 'USDT', '2025-10-02 00:27:51.481+00', 1759364871481);
INSERT INTO trading.funding_payments VALUES ('main', 'ETHUSDT', 'ETHUSDT-14', 'alpha_001', 14.000000000000, 0.000550000000, -0.152173913043, 'USDT', '2025-10-02 10:34:00.815+00', 1759401240815);
INSERT INTO trading.funding_payments VALUES ('main', 'ETHUSDT', 'ETHUSDT-14', 'beta_001', 9.000000000000, 0.000550000000, -0.097826086957, 'USDT', '2025-10-02 10:34:00.815+00', 1759401240815);
INSERT INTO trading.funding_payments VALUES ('main', 'ETHUSDT', 'ETHUSDT-30', 'alpha_001', -9.000000000000, 0.000550000000, 1.875000000000, 'USDT', '2025-10-03 00:13:17.972+00', 1759450397972);
INSERT INTO trading.funding_payments VALUES ('main', 'ETHUSDT', 'ETHUSDT-30', 'beta_001', 15.000000000000, 0.000550000000, -3.125000000000, 'USDT', '2025-10-03 00:13:17.972+00', 1759450397972);


--
-- Data for Name: market_data_2025_10; Type: TABLE DATA; Schema: trading; Owner: -
--

INSERT INTO trading.market_data_2025_10 VALUES ('bybit', 'BTCUSDT', '5m', '2025-10-01 08:00:00+00', 100.000000000000, 101.000000000000, 99.000000000000, 100.500000000000, 3.000000000000, 301.500000000000, NULL, NULL, NULL, NULL, NULL, 'stream', '2026-11-21 20:56:42.027054+00');
INSERT INTO trading.market_data_2025_10 VALUES ('bybit', 'BTCUSDT', '5m', '2025-10-01 08:05:00+00', 100.000000000000, 101.000000000000, 99.000000000000, 100.500000000000, 3.000000000000, 301.500000000000, NULL, NULL, NULL, NULL, NULL, 'stream', '2026-11-21 20:56:42.04768+00');


--
-- Data for Name: market_data_2025_11; Type: TABLE DATA; Schema: trading; Owner: -
--

INSERT INTO trading.market_data_2025_11 VALUES ('bybit', 'BTCUSDT', '5m', '2025-11-01 08:00:00+00', 100.000000000000, 101.000000000000, 99.000000000000, 100.500000000000, 3.000000000000, 301.500000000000, NULL, NULL, NULL, NULL, NULL, 'stream', '2026-11-21 20:56:42.079227+00');


--
-- Data for Name: market_data_other; Type: TABLE DATA; Schema: trading; Owner: -
--



--
-- Data for Name: orders; Type: TABLE DATA; Schema: trading; Owner: -
--

INSERT INTO trading.orders VALUES ('main', 'alpha_001-ec-0btcusdt', 'alpha_001:ema_cross:25719716657', 'alpha_001', 'BTCUSDT', 'Buy', 'entry', 'entry', 'Market', 1.000000000000, NULL, NULL, false, 'filled', NULL, NULL, 1.000000000000, NULL, NULL, NULL, NULL, '2025-10-01 08:00:00+00', NULL, NULL, NULL, '2025-10-01 08:00:00+00', '2026-11-21 20:56:41.823309+00', '2026-11-21 20:56:41.823309+00');
INSERT INTO trading.orders VALUES ('main', 'alpha_001-ec-0ethusdt', 'alpha_001:ema_cross:32258461745', 'alpha_001', 'BTCUSDT', 'Buy', 'entry', 'entry', 'Market', 1.000000000000, NULL, NULL, false, 'filled', NULL, NULL, 1.000000000000, NULL, NULL, NULL, NULL, '2025-10-01 08:00:00+00', NULL, NULL, NULL, '2025-10-01 08:00:00+00', '2026-11-21 20:56:41.937696+00', '2026-11-21 20:56:41.937696+00');


--
-- Data for Name: position_entries; Type: TABLE DATA; Schema: trading; Owner: -
--

INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-0', 'alpha_001', DEFAULT, 'short', 97.125000000000, 4.000000000000, 0.000000000000, 0.000000000000, 0.000000000000, 0.000000000000, 'stop_loss', 'order-BTCUSDT-1759322678535', 'alpha_001-sl-mg7zaqrr', '2025-10-01 12:44:38.535+00', DEFAULT, '2026-11-21 20:56:41.754215+00', '2026-11-21 20:56:41.754215+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-1', 'alpha_001', DEFAULT, 'short', 103.500000000000, 4.000000000000, 4.000000000000, 0.000000000000, 0.000000000000, 0.036324786326, 'stop_loss', 'order-BTCUSDT-1759322678535', 'alpha_001-sl-mg7zaqrr', '2025-10-01 12:44:38.535+00', DEFAULT, '2026-11-21 20:56:41.75475+00', '2026-11-21 20:56:41.75475+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-2', 'alpha_001', DEFAULT, 'short', 91.000000000000, 4.000000000000, 4.000000000000, 0.375000000000, 0.375000000000, 0.036324786326, 'stop_loss', 'order-BTCUSDT-1759322678535', 'alpha_001-sl-mg7zaqrr', '2025-10-01 12:44:38.535+00', DEFAULT, '2026-11-21 20:56:41.754961+00', '2026-11-21 20:56:41.754961+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-3', 'beta_001', DEFAULT, 'short', 109.250000000000, 4.000000000000, 0.000000000000, 0.937500000000, 0.000000000000, 0.000000000000, 'stop_loss', 'order-BTCUSDT-1759330825867', 'beta_001-sl-mg845daj', '2025-10-01 15:00:25.867+00', DEFAULT, '2026-11-21 20:56:41.755031+00', '2026-11-21 20:56:41.755031+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-4', 'beta_001', DEFAULT, 'short', 93.875000000000, 1.000000000000, 0.000000000000, 0.062500000000, 0.000000000000, 0.000000000000, 'stop_loss', 'order-BTCUSDT-1759330825867', 'beta_001-sl-mg845daj', '2025-10-01 15:00:25.867+00', DEFAULT, '2026-11-21 20:56:41.755074+00', '2026-11-21 20:56:41.755074+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-5', 'beta_001', DEFAULT, 'short', 90.875000000000, 1.000000000000, 0.000000000000, 0.437500000000, 0.000000000000, 0.000000000000, 'stop_loss', 'order-BTCUSDT-1759330825867', 'beta_001-sl-mg845daj', '2025-10-01 15:00:25.867+00', DEFAULT, '2026-11-21 20:56:41.75511+00', '2026-11-21 20:56:41.75511+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-6', 'beta_001', DEFAULT, 'short', 101.625000000000, 4.000000000000, 0.000000000000, 0.250000000000, 0.000000000000, 0.000000000000, 'stop_loss', 'order-BTCUSDT-1759337416368', 'beta_001-sl-mg882mk0', '2025-10-01 16:50:16.368+00', DEFAULT, '2026-11-21 20:56:41.755157+00', '2026-11-21 20:56:41.755157+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-7', 'beta_001', DEFAULT, 'short', 97.375000000000, 4.000000000000, 0.000000000000, 0.312500000000, 0.000000000000, 0.000000000000, 'stop_loss', 'order-BTCUSDT-1759337416368', 'beta_001-sl-mg882mk0', '2025-10-01 16:50:16.368+00', DEFAULT, '2026-11-21 20:56:41.755172+00', '2026-11-21 20:56:41.755172+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-8', 'beta_001', DEFAULT, 'short', 109.000000000000, 2.000000000000, 0.000000000000, 0.062500000000, 0.000000000000, 0.000000000000, 'stop_loss', 'order-BTCUSDT-1759337416368', 'beta_001-sl-mg882mk0', '2025-10-01 16:50:16.368+00', DEFAULT, '2026-11-21 20:56:41.755194+00', '2026-11-21 20:56:41.755194+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-11', 'beta_001', DEFAULT, 'short', 103.375000000000, 2.000000000000, 0.000000000000, 0.000000000000, 0.000000000000, 0.000000000000, 'ema_cross', 'order-BTCUSDT-1759375924723', 'beta_001-ec-mg8uzzsj', '2025-10-02 03:32:04.723+00', DEFAULT, '2026-11-21 20:56:41.755211+00', '2026-11-21 20:56:41.755211+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-12', 'beta_001', DEFAULT, 'short', 99.000000000000, 1.000000000000, 0.000000000000, 0.812500000000, 0.000000000000, 0.000000000000, 'ema_cross', 'order-BTCUSDT-1759375924723', 'beta_001-ec-mg8uzzsj', '2025-10-02 03:32:04.723+00', DEFAULT, '2026-11-21 20:56:41.755226+00', '2026-11-21 20:56:41.755226+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-15', 'alpha_001', DEFAULT, 'short', 92.875000000000, 1.000000000000, 1.000000000000, 0.375000000000, 0.375000000000, 0.009081196580, 'ema_cross', 'order-BTCUSDT-1759406471727', 'alpha_001-ec-mg9d6q0f', '2025-10-02 12:01:11.727+00', DEFAULT, '2026-11-21 20:56:41.755245+00', '2026-11-21 20:56:41.755245+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-18', 'alpha_001', DEFAULT, 'short', 107.250000000000, 2.000000000000, 2.000000000000, 0.187500000000, 0.187500000000, -0.097222222222, 'stop_loss', 'order-BTCUSDT-1759438425996', 'alpha_001-sl-mg9w7m30', '2025-10-02 20:53:45.996+00', DEFAULT, '2026-11-21 20:56:41.755273+00', '2026-11-21 20:56:41.755273+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-19', 'alpha_001', DEFAULT, 'short', 104.000000000000, 1.000000000000, 1.000000000000, 0.687500000000, 0.687500000000, -0.048611111111, 'stop_loss', 'order-BTCUSDT-1759438425996', 'alpha_001-sl-mg9w7m30', '2025-10-02 20:53:45.996+00', DEFAULT, '2026-11-21 20:56:41.75529+00', '2026-11-21 20:56:41.75529+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-20', 'alpha_001', DEFAULT, 'short', 95.500000000000, 2.000000000000, 2.000000000000, 0.062500000000, 0.062500000000, -0.097222222222, 'stop_loss', 'order-BTCUSDT-1759438425996', 'alpha_001-sl-mg9w7m30', '2025-10-02 20:53:45.996+00', DEFAULT, '2026-11-21 20:56:41.755304+00', '2026-11-21 20:56:41.755304+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-21', 'beta_001', DEFAULT, 'short', 98.875000000000, 1.000000000000, 0.000000000000, 0.187500000000, 0.000000000000, 0.000000000000, 'stop_loss', 'order-BTCUSDT-1759439949290', 'beta_001-sl-mg9x49gq', '2025-10-02 21:19:09.29+00', DEFAULT, '2026-11-21 20:56:41.75532+00', '2026-11-21 20:56:41.75532+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-22', 'alpha_001', DEFAULT, 'short', 106.750000000000, 1.000000000000, 1.000000000000, 0.312500000000, 0.312500000000, -0.048611111111, 'rule_1', 'order-BTCUSDT-1759451193130', 'alpha_001-r1-mga3t99m', '2025-10-03 00:26:33.13+00', DEFAULT, '2026-11-21 20:56:41.755334+00', '2026-11-21 20:56:41.755334+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-23', 'alpha_001', DEFAULT, 'short', 108.250000000000, 2.000000000000, 2.000000000000, 0.187500000000, 0.187500000000, -0.097222222222, 'rule_1', 'order-BTCUSDT-1759451193130', 'alpha_001-r1-mga3t99m', '2025-10-03 00:26:33.13+00', DEFAULT, '2026-11-21 20:56:41.755349+00', '2026-11-21 20:56:41.755349+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-24', 'alpha_001', DEFAULT, 'short', 94.875000000000, 2.000000000000, 2.000000000000, 0.375000000000, 0.375000000000, -0.097222222222, 'stop_loss', 'order-BTCUSDT-1759455960452', 'alpha_001-sl-mga6nfr8', '2025-10-03 01:46:00.452+00', DEFAULT, '2026-11-21 20:56:41.755364+00', '2026-11-21 20:56:41.755364+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-28', 'alpha_001', DEFAULT, 'short', 108.500000000000, 1.000000000000, 1.000000000000, 0.125000000000, 0.125000000000, -0.048611111111, 'ema_cross', 'order-BTCUSDT-1759498854494', 'alpha_001-ec-mgaw6t0e', '2025-10-03 13:40:54.494+00', DEFAULT, '2026-11-21 20:56:41.755382+00', '2026-11-21 20:56:41.755382+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-30', 'beta_001', DEFAULT, 'short', 107.750000000000, 2.000000000000, 2.000000000000, 0.437500000000, 0.437500000000, -0.097222222222, 'stop_loss', 'order-BTCUSDT-1759510349987', 'beta_001-sl-mgb316zn', '2025-10-03 16:52:29.987+00', DEFAULT, '2026-11-21 20:56:41.755407+00', '2026-11-21 20:56:41.755407+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-31', 'alpha_001', DEFAULT, 'short', 106.125000000000, 1.000000000000, 1.000000000000, 0.125000000000, 0.125000000000, -0.048611111111, 'rule_1', 'order-BTCUSDT-1759510772026', 'alpha_001-r1-mgb3a8my', '2025-10-03 16:59:32.026+00', DEFAULT, '2026-11-21 20:56:41.755424+00', '2026-11-21 20:56:41.755424+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-32', 'alpha_001', DEFAULT, 'short', 92.500000000000, 4.000000000000, 4.000000000000, 0.250000000000, 0.250000000000, -0.194444444444, 'rule_1', 'order-BTCUSDT-1759526663339', 'alpha_001-r1-mgbcqugb', '2025-10-03 21:24:23.339+00', DEFAULT, '2026-11-21 20:56:41.755439+00', '2026-11-21 20:56:41.755439+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-33', 'alpha_001', DEFAULT, 'short', 95.625000000000, 4.000000000000, 4.000000000000, 0.062500000000, 0.062500000000, -0.194444444444, 'take_profit', 'order-BTCUSDT-1759530443200', 'alpha_001-tp-mgbezv0g', '2025-10-03 22:27:23.2+00', DEFAULT, '2026-11-21 20:56:41.755454+00', '2026-11-21 20:56:41.755454+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-35', 'beta_001', DEFAULT, 'short', 102.375000000000, 1.000000000000, 1.000000000000, 0.062500000000, 0.062500000000, -0.048611111112, 'ema_cross', 'order-BTCUSDT-1759541844308', 'beta_001-ec-mgbls85w', '2025-10-04 01:37:24.308+00', DEFAULT, '2026-11-21 20:56:41.75547+00', '2026-11-21 20:56:41.75547+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'BTCUSDT-37', 'alpha_001', DEFAULT, 'short', 102.875000000000, 2.000000000000, 2.000000000000, 0.500000000000, 0.500000000000, -0.097222222225, 'ema_cross', 'order-BTCUSDT-1759557219265', 'alpha_001-ec-mgbuxrk1', '2025-10-04 05:53:39.265+00', DEFAULT, '2026-11-21 20:56:41.755484+00', '2026-11-21 20:56:41.755484+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'stray', 'alpha_001', DEFAULT, 'short', 100.500000000000, 1.000000000000, 1.000000000000, 0.050000000000, 0.050000000000, 0.000000000000, 'manual_entry', 'order-stray', '', '2025-10-04 11:27:57.09+00', DEFAULT, '2026-11-21 20:56:41.755503+00', '2026-11-21 20:56:41.755503+00');
INSERT INTO trading.position_entries VALUES ('main', 'BTCUSDT', 'adjustment-1', 'manual', DEFAULT, 'long', 100.500000000000, 0.500000000000, 0.500000000000, 0.000000000000, 0.000000000000, 0.000000000000, 'manual_entry', '', '', '2025-10-04 11:27:57.091+00', DEFAULT, '2026-11-21 20:56:41.75552+00', '2026-11-21 20:56:41.75552+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-0', 'alpha_001', DEFAULT, 'long', 90.625000000000, 2.000000000000, 0.000000000000, 0.812500000000, 0.000000000000, 0.000000000000, 'rule_1', 'order-ETHUSDT-1759311492104', 'alpha_001-r1-mg7smz9k', '2025-10-01 09:38:12.104+00', DEFAULT, '2026-11-21 20:56:41.895208+00', '2026-11-21 20:56:41.895208+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-1', 'alpha_001', DEFAULT, 'long', 96.375000000000, 4.000000000000, 0.000000000000, 0.812500000000, 0.000000000000, 0.000000000000, 'rule_1', 'order-ETHUSDT-1759311492104', 'alpha_001-r1-mg7smz9k', '2025-10-01 09:38:12.104+00', DEFAULT, '2026-11-21 20:56:41.895371+00', '2026-11-21 20:56:41.895371+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-2', 'alpha_001', DEFAULT, 'long', 100.125000000000, 1.000000000000, 0.000000000000, 0.187500000000, 0.000000000000, 0.000000000000, 'rule_1', 'order-ETHUSDT-1759311492104', 'alpha_001-r1-mg7smz9k', '2025-10-01 09:38:12.104+00', DEFAULT, '2026-11-21 20:56:41.895407+00', '2026-11-21 20:56:41.895407+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-3', 'beta_001', DEFAULT, 'long', 99.750000000000, 1.000000000000, 0.000000000000, 0.312500000000, 0.000000000000, 0.000000000000, 'stop_loss', 'order-ETHUSDT-1759315602066', 'beta_001-sl-mg7v32j6', '2025-10-01 10:46:42.066+00', DEFAULT, '2026-11-21 20:56:41.895447+00', '2026-11-21 20:56:41.895447+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-4', 'beta_001', DEFAULT, 'long', 100.625000000000, 4.000000000000, 4.000000000000, 0.562500000000, 0.562500000000, -1.376811594202, 'stop_loss', 'order-ETHUSDT-1759315602066', 'beta_001-sl-mg7v32j6', '2025-10-01 10:46:42.066+00', DEFAULT, '2026-11-21 20:56:41.895471+00', '2026-11-21 20:56:41.895471+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-6', 'alpha_001', DEFAULT, 'long', 109.375000000000, 4.000000000000, 0.000000000000, 0.062500000000, 0.000000000000, 0.000000000000, 'rule_1', 'order-ETHUSDT-1759334520055', 'alpha_001-r1-mg86cjqv', '2025-10-01 16:02:00.055+00', DEFAULT, '2026-11-21 20:56:41.895501+00', '2026-11-21 20:56:41.895501+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-7', 'beta_001', DEFAULT, 'long', 90.250000000000, 4.000000000000, 4.000000000000, 0.625000000000, 0.625000000000, -1.376811594202, 'take_profit', 'order-ETHUSDT-1759341725618', 'beta_001-tp-mg8amzle', '2025-10-01 18:02:05.618+00', DEFAULT, '2026-11-21 20:56:41.895525+00', '2026-11-21 20:56:41.895525+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-8', 'beta_001', DEFAULT, 'long', 106.375000000000, 1.000000000000, 1.000000000000, 0.687500000000, 0.687500000000, -0.344202898552, 'rule_1', 'order-ETHUSDT-1759352364008', 'beta_001-r1-mg8gz088', '2025-10-01 20:59:24.008+00', DEFAULT, '2026-11-21 20:56:41.895544+00', '2026-11-21 20:56:41.895544+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-9', 'alpha_001', DEFAULT, 'long', 99.125000000000, 1.000000000000, 0.000000000000, 0.250000000000, 0.000000000000, 0.000000000000, 'rule_1', 'order-ETHUSDT-1759363926685', 'alpha_001-r1-mg8nuu1p', '2025-10-02 00:12:06.685+00', DEFAULT, '2026-11-21 20:56:41.89557+00', '2026-11-21 20:56:41.89557+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-10', 'alpha_001', DEFAULT, 'long', 99.375000000000, 4.000000000000, 0.000000000000, 0.312500000000, 0.000000000000, 0.000000000000, 'rule_1', 'order-ETHUSDT-1759363926685', 'alpha_001-r1-mg8nuu1p', '2025-10-02 00:12:06.685+00', DEFAULT, '2026-11-21 20:56:41.895592+00', '2026-11-21 20:56:41.895592+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-13', 'alpha_001', DEFAULT, 'long', 108.000000000000, 2.000000000000, 0.000000000000, 0.250000000000, 0.000000000000, 0.000000000000, 'take_profit', 'order-ETHUSDT-1759386570488', 'alpha_001-tp-mg91c648', '2025-10-02 06:29:30.488+00', DEFAULT, '2026-11-21 20:56:41.897059+00', '2026-11-21 20:56:41.897059+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-19', 'alpha_001', DEFAULT, 'short', 90.375000000000, 2.000000000000, 0.000000000000, 0.187500000000, 0.000000000000, 0.000000000000, 'ema_cross', 'order-ETHUSDT-1759414741844', 'alpha_001-ec-mg9i3z9w', '2025-10-02 14:19:01.844+00', DEFAULT, '2026-11-21 20:56:41.897131+00', '2026-11-21 20:56:41.897131+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-20', 'alpha_001', DEFAULT, 'short', 104.500000000000, 2.000000000000, 0.000000000000, 0.062500000000, 0.000000000000, 0.000000000000, 'ema_cross', 'order-ETHUSDT-1759414741844', 'alpha_001-ec-mg9i3z9w', '2025-10-02 14:19:01.844+00', DEFAULT, '2026-11-21 20:56:41.89716+00', '2026-11-21 20:56:41.89716+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-24', 'beta_001', DEFAULT, 'long', 98.750000000000, 4.000000000000, 4.000000000000, 0.875000000000, 0.875000000000, -0.833333333333, 'stop_loss', 'order-ETHUSDT-1759427773896', 'beta_001-sl-mg9pvavc', '2025-10-02 17:56:13.896+00', DEFAULT, '2026-11-21 20:56:41.897181+00', '2026-11-21 20:56:41.897181+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-25', 'beta_001', DEFAULT, 'long', 102.125000000000, 1.000000000000, 1.000000000000, 0.562500000000, 0.562500000000, -0.208333333333, 'ema_cross', 'order-ETHUSDT-1759435496306', 'beta_001-ec-mg9ugtiq', '2025-10-02 20:04:56.306+00', DEFAULT, '2026-11-21 20:56:41.897212+00', '2026-11-21 20:56:41.897212+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-26', 'beta_001', DEFAULT, 'long', 93.125000000000, 1.000000000000, 1.000000000000, 0.125000000000, 0.125000000000, -0.208333333335, 'ema_cross', 'order-ETHUSDT-1759435496306', 'beta_001-ec-mg9ugtiq', '2025-10-02 20:04:56.306+00', DEFAULT, '2026-11-21 20:56:41.897234+00', '2026-11-21 20:56:41.897234+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-27', 'alpha_001', DEFAULT, 'short', 109.875000000000, 4.000000000000, 0.000000000000, 0.000000000000, 0.000000000000, 0.000000000000, 'stop_loss', 'order-ETHUSDT-1759437606834', 'alpha_001-sl-mg9vq20i', '2025-10-02 20:40:06.834+00', DEFAULT, '2026-11-21 20:56:41.897259+00', '2026-11-21 20:56:41.897259+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-28', 'alpha_001', DEFAULT, 'short', 109.500000000000, 2.000000000000, 1.000000000000, 0.687500000000, 0.343750000000, 0.208333333333, 'stop_loss', 'order-ETHUSDT-1759437606834', 'alpha_001-sl-mg9vq20i', '2025-10-02 20:40:06.834+00', DEFAULT, '2026-11-21 20:56:41.897288+00', '2026-11-21 20:56:41.897288+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-29', 'alpha_001', DEFAULT, 'short', 107.375000000000, 2.000000000000, 2.000000000000, 0.312500000000, 0.312500000000, 0.416666666668, 'stop_loss', 'order-ETHUSDT-1759437606834', 'alpha_001-sl-mg9vq20i', '2025-10-02 20:40:06.834+00', DEFAULT, '2026-11-21 20:56:41.897308+00', '2026-11-21 20:56:41.897308+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-31', 'alpha_001', DEFAULT, 'short', 99.625000000000, 4.000000000000, 4.000000000000, 0.437500000000, 0.437500000000, 0.000000000000, 'take_profit', 'order-ETHUSDT-1759454938434', 'alpha_001-tp-mga61j5u', '2025-10-03 01:28:58.434+00', DEFAULT, '2026-11-21 20:56:41.89734+00', '2026-11-21 20:56:41.89734+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-32', 'alpha_001', DEFAULT, 'short', 90.250000000000, 1.000000000000, 1.000000000000, 0.625000000000, 0.625000000000, 0.000000000000, 'take_profit', 'order-ETHUSDT-1759454938434', 'alpha_001-tp-mga61j5u', '2025-10-03 01:28:58.434+00', DEFAULT, '2026-11-21 20:56:41.897362+00', '2026-11-21 20:56:41.897362+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-33', 'beta_001', DEFAULT, 'long', 94.875000000000, 2.000000000000, 2.000000000000, 0.250000000000, 0.250000000000, 0.000000000000, 'stop_loss', 'order-ETHUSDT-1759458947123', 'beta_001-sl-mga8fgab', '2025-10-03 02:35:47.123+00', DEFAULT, '2026-11-21 20:56:41.897387+00', '2026-11-21 20:56:41.897387+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-34', 'beta_001', DEFAULT, 'long', 99.000000000000, 4.000000000000, 4.000000000000, 0.312500000000, 0.312500000000, 0.000000000000, 'stop_loss', 'order-ETHUSDT-1759458947123', 'beta_001-sl-mga8fgab', '2025-10-03 02:35:47.123+00', DEFAULT, '2026-11-21 20:56:41.897411+00', '2026-11-21 20:56:41.897411+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-37', 'alpha_001', DEFAULT, 'short', 106.000000000000, 4.000000000000, 4.000000000000, 0.562500000000, 0.562500000000, 0.000000000000, 'rule_1', 'order-ETHUSDT-1759467162625', 'alpha_001-r1-mgadbjep', '2025-10-03 04:52:42.625+00', DEFAULT, '2026-11-21 20:56:41.89743+00', '2026-11-21 20:56:41.89743+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-39', 'beta_001', DEFAULT, 'long', 91.000000000000, 1.000000000000, 1.000000000000, 0.437500000000, 0.437500000000, 0.000000000000, 'rule_1', 'order-ETHUSDT-1759498050994', 'beta_001-r1-mgavpl0y', '2025-10-03 13:27:30.994+00', DEFAULT, '2026-11-21 20:56:41.897449+00', '2026-11-21 20:56:41.897449+00');
INSERT INTO trading.position_entries VALUES ('main', 'ETHUSDT', 'ETHUSDT-40', 'beta_001', DEFAULT, 'long', 108.500000000000, 1.000000000000, 1.000000000000, 0.937500000000, 0.937500000000, 0.000000000000, 'rule_1', 'order-ETHUSDT-1759498050994', 'beta_001-r1-mgavpl0y', '2025-10-03 13:27:30.994+00', DEFAULT, '2026-11-21 20:56:41.897481+00', '2026-11-21 20:56:41.897481+00');


--
-- Data for Name: positions; Type: TABLE DATA; Schema: trading; Owner: -
--

INSERT INTO trading.positions VALUES ('main', 'BTCUSDT', 'alpha_001', 'BTCUSDT-0', DEFAULT, 'short', 32.000000000000, 32.000000000000, 98.950520833333, -41.500000000000, 4.175000000000, -0.987713675213, 'stop_loss', 'ema_cross', '2025-10-01 12:44:38.535+00', NULL, DEFAULT, '2026-11-21 20:56:41.779403+00', '2026-11-21 20:56:41.779403+00');
INSERT INTO trading.positions VALUES ('main', 'BTCUSDT', 'beta_001', 'BTCUSDT-3', DEFAULT, 'short', 3.000000000000, 18.000000000000, 103.175902110959, 114.250000000000, 7.562500000000, 0.737713675213, 'stop_loss', 'stop_loss', '2025-10-01 15:00:25.867+00', NULL, DEFAULT, '2026-11-21 20:56:41.780007+00', '2026-11-21 20:56:41.780007+00');
INSERT INTO trading.positions VALUES ('main', 'BTCUSDT', 'manual', 'adjustment-1', DEFAULT, 'long', 0.500000000000, 0.500000000000, 100.500000000000, 0.000000000000, 0.000000000000, 0.000000000000, 'manual_entry', NULL, '2025-10-04 11:27:57.091+00', NULL, DEFAULT, '2026-11-21 20:56:41.780086+00', '2026-11-21 20:56:41.780086+00');
INSERT INTO trading.positions VALUES ('main', 'ETHUSDT', 'alpha_001', 'ETHUSDT-0', DEFAULT, 'long', 0.000000000000, 14.000000000000, 102.566326530612, 43.250000000000, 4.312500000000, -1.652173913043, 'rule_1', 'ema_cross', '2025-10-01 09:38:12.104+00', '2025-10-02 14:19:01.844+00', DEFAULT, '2026-11-21 20:56:41.93524+00', '2026-11-21 20:56:41.93524+00');
INSERT INTO trading.positions VALUES ('main', 'ETHUSDT', 'beta_001', 'ETHUSDT-3', DEFAULT, 'long', 23.000000000000, 23.000000000000, 97.746195652174, 6.625000000000, 5.875000000000, -4.472826086957, 'stop_loss', 'take_profit', '2025-10-01 10:46:42.066+00', NULL, DEFAULT, '2026-11-21 20:56:41.935528+00', '2026-11-21 20:56:41.935528+00');
INSERT INTO trading.positions VALUES ('main', 'ETHUSDT', 'alpha_001', 'ETHUSDT-19', DEFAULT, 'short', 12.000000000000, 14.000000000000, 104.785370879120, 41.750000000000, 6.562500000000, 1.875000000000, 'ema_cross', 'rule_1', '2025-10-02 14:19:01.844+00', NULL, DEFAULT, '2026-11-21 20:56:41.935772+00', '2026-11-21 20:56:41.935772+00');


--
-- Name: command_log_id_seq; Type: SEQUENCE SET; Schema: audit; Owner: -
--

SELECT pg_catalog.setval('audit.command_log_id_seq', 1, true);


--
-- Name: system_events_id_seq; Type: SEQUENCE SET; Schema: audit; Owner: -
--

SELECT pg_catalog.setval('audit.system_events_id_seq', 1, true);


--
-- Name: commit_numbers; Type: SEQUENCE SET; Schema: config; Owner: -
--

SELECT pg_catalog.setval('config.commit_numbers', 3, true);


--
-- Name: account_balance_id_seq; Type: SEQUENCE SET; Schema: trading; Owner: -
--

SELECT pg_catalog.setval('trading.account_balance_id_seq', 1, false);


--
-- Name: adjustments_id_seq; Type: SEQUENCE SET; Schema: trading; Owner: -
--

SELECT pg_catalog.setval('trading.adjustments_id_seq', 1, true);


--
-- Name: attribution_overrides_id_seq; Type: SEQUENCE SET; Schema: trading; Owner: -
--

SELECT pg_catalog.setval('trading.attribution_overrides_id_seq', 1, true);


--
-- Name: command_log command_log_pkey; Type: CONSTRAINT; Schema: audit; Owner: -
--

ALTER TABLE ONLY audit.command_log
    ADD CONSTRAINT command_log_pkey PRIMARY KEY (id);


--
-- Name: system_events system_events_pkey; Type: CONSTRAINT; Schema: audit; Owner: -
--

ALTER TABLE ONLY audit.system_events
    ADD CONSTRAINT system_events_pkey PRIMARY KEY (id);


--
-- Name: bot_state bot_state_pkey; Type: CONSTRAINT; Schema: config; Owner: -
--

ALTER TABLE ONLY config.bot_state
    ADD CONSTRAINT bot_state_pkey PRIMARY KEY (bot_id, account);


--
-- Name: decisions decisions_pkey; Type: CONSTRAINT; Schema: config; Owner: -
--

ALTER TABLE ONLY config.decisions
    ADD CONSTRAINT decisions_pkey PRIMARY KEY (bot_id, account, ordinal);


--
-- Name: leases leases_pkey; Type: CONSTRAINT; Schema: config; Owner: -
--

ALTER TABLE ONLY config.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (account);


--
-- Name: marks marks_pkey; Type: CONSTRAINT; Schema: config; Owner: -
--

ALTER TABLE ONLY config.marks
    ADD CONSTRAINT marks_pkey PRIMARY KEY (account);


--
-- Name: order_tags order_tags_pkey; Type: CONSTRAINT; Schema: config; Owner: -
--

ALTER TABLE ONLY config.order_tags
    ADD CONSTRAINT order_tags_pkey PRIMARY KEY (code);


--
-- Name: order_tags order_tags_reason_key; Type: CONSTRAINT; Schema: config; Owner: -
--

ALTER TABLE ONLY config.order_tags
    ADD CONSTRAINT order_tags_reason_key UNIQUE (reason);


--
-- Name: quantity_steps quantity_steps_pkey; Type: CONSTRAINT; Schema: config; Owner: -
--

ALTER TABLE ONLY config.quantity_steps
    ADD CONSTRAINT quantity_steps_pkey PRIMARY KEY (account, symbol, since);


--
-- Name: schema_migrations schema_migrations_pkey; Type: CONSTRAINT; Schema: config; Owner: -
--

ALTER TABLE ONLY config.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);


--
-- Name: standbys standbys_pkey; Type: CONSTRAINT; Schema: config; Owner: -
--

ALTER TABLE ONLY config.standbys
    ADD CONSTRAINT standbys_pkey PRIMARY KEY (installation);


--
-- Name: symbol_owners symbol_owners_pkey; Type: CONSTRAINT; Schema: config; Owner: -
--

ALTER TABLE ONLY config.symbol_owners
    ADD CONSTRAINT symbol_owners_pkey PRIMARY KEY (account, symbol);


--
-- Name: account_balance account_balance_pkey; Type: CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.account_balance
    ADD CONSTRAINT account_balance_pkey PRIMARY KEY (id);


--
-- Name: accounts accounts_pkey; Type: CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (account);


--
-- Name: adjustments adjustments_account_symbol_exec_id_key; Type: CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.adjustments
    ADD CONSTRAINT adjustments_account_symbol_exec_id_key UNIQUE (account, symbol, exec_id);


--
-- Name: adjustments adjustments_pkey; Type: CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.adjustments
    ADD CONSTRAINT adjustments_pkey PRIMARY KEY (id);


--
-- Name: attribution_overrides attribution_overrides_pkey; Type: CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.attribution_overrides
    ADD CONSTRAINT attribution_overrides_pkey PRIMARY KEY (id);


--
-- Name: bots bots_pkey; Type: CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.bots
    ADD CONSTRAINT bots_pkey PRIMARY KEY (bot_id, account);


--
-- Name: completed_trades completed_trades_pkey; Type: CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.completed_trades
    ADD CONSTRAINT completed_trades_pkey PRIMARY KEY (account, symbol, entry_exec_id, exit_exec_id, bot_id);


--
-- Name: exchange_positions exchange_positions_pkey; Type: CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.exchange_positions
    ADD CONSTRAINT exchange_positions_pkey PRIMARY KEY (account, symbol, position_idx);


--
-- Name: executions executions_pkey; Type: CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.executions
    ADD CONSTRAINT executions_pkey PRIMARY KEY (account, symbol, exec_id);


--
-- Name: fills fills_pkey; Type: CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.fills
    ADD CONSTRAINT fills_pkey PRIMARY KEY (account, symbol, exec_id, bot_id, leg);


--
-- Name: funding_payments funding_payments_pkey; Type: CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.funding_payments
    ADD CONSTRAINT funding_payments_pkey PRIMARY KEY (account, symbol, exec_id, bot_id);


--
-- Name: market_data market_data_pkey; Type: CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.market_data
    ADD CONSTRAINT market_data_pkey PRIMARY KEY (exchange, symbol, "interval", "timestamp");


--
-- Name: market_data_2025_10 market_data_2025_10_pkey; Type: CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.market_data_2025_10
    ADD CONSTRAINT market_data_2025_10_pkey PRIMARY KEY (exchange, symbol, "interval", "timestamp");


--
-- Name: market_data_2025_11 market_data_2025_11_pkey; Type: CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.market_data_2025_11
    ADD CONSTRAINT market_data_2025_11_pkey PRIMARY KEY (exchange, symbol, "interval", "timestamp");


--
-- Name: market_data_other market_data_other_pkey; Type: CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.market_data_other
    ADD CONSTRAINT market_data_other_pkey PRIMARY KEY (exchange, symbol, "interval", "timestamp");


--
-- Name: orders orders_pkey; Type: CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (account, order_link_id);


--
-- Name: position_entries position_entries_pkey; Type: CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.position_entries
    ADD CONSTRAINT position_entries_pkey PRIMARY KEY (account, symbol, exec_id, bot_id);


--
-- Name: positions positions_pkey; Type: CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.positions
    ADD CONSTRAINT positions_pkey PRIMARY KEY (account, symbol, bot_id, opened_by);


--
-- Name: command_log_by_time; Type: INDEX; Schema: audit; Owner: -
--

CREATE INDEX command_log_by_time ON audit.command_log USING btree (at DESC);


--
-- Name: system_events_by_time; Type: INDEX; Schema: audit; Owner: -
--

CREATE INDEX system_events_by_time ON audit.system_events USING btree (event_time DESC);


--
-- Name: account_balance_by_time; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX account_balance_by_time ON trading.account_balance USING btree (account, "timestamp" DESC);


--
-- Name: attribution_overrides_by_execution; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX attribution_overrides_by_execution ON trading.attribution_overrides USING btree (account, symbol, exec_id, id);


--
-- Name: attribution_overrides_once; Type: INDEX; Schema: trading; Owner: -
--

CREATE UNIQUE INDEX attribution_overrides_once ON trading.attribution_overrides USING btree (account, symbol, exec_id, created_at);


--
-- Name: bots_by_account; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX bots_by_account ON trading.bots USING btree (account, status);


--
-- Name: bots_one_account; Type: INDEX; Schema: trading; Owner: -
--

CREATE UNIQUE INDEX bots_one_account ON trading.bots USING btree (bot_id) WHERE (bot_id <> 'manual'::text);


--
-- Name: completed_trades_by_bot; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX completed_trades_by_bot ON trading.completed_trades USING btree (bot_id, exit_time DESC);


--
-- Name: completed_trades_by_symbol; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX completed_trades_by_symbol ON trading.completed_trades USING btree (account, symbol, exit_time);


--
-- Name: executions_by_order; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX executions_by_order ON trading.executions USING btree (account, order_id);


--
-- Name: executions_by_time; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX executions_by_time ON trading.executions USING btree (account, exec_time);


--
-- Name: executions_ledger_order; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX executions_ledger_order ON trading.executions USING btree (account, symbol, exec_time, seq);


--
-- Name: fills_by_bot; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX fills_by_bot ON trading.fills USING btree (bot_id, exec_time DESC);


--
-- Name: fills_by_order; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX fills_by_order ON trading.fills USING btree (account, order_id);


--
-- Name: fills_by_symbol; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX fills_by_symbol ON trading.fills USING btree (account, symbol, exec_time DESC);


--
-- Name: fills_by_time; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX fills_by_time ON trading.fills USING btree (exec_time DESC);


--
-- Name: funding_payments_by_bot; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX funding_payments_by_bot ON trading.funding_payments USING btree (bot_id, exec_time DESC);


--
-- Name: funding_payments_by_symbol; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX funding_payments_by_symbol ON trading.funding_payments USING btree (account, symbol, exec_time DESC);


--
-- Name: market_data_by_time; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX market_data_by_time ON ONLY trading.market_data USING brin ("timestamp");


--
-- Name: market_data_2025_10_timestamp_idx; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX market_data_2025_10_timestamp_idx ON trading.market_data_2025_10 USING brin ("timestamp");


--
-- Name: market_data_2025_11_timestamp_idx; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX market_data_2025_11_timestamp_idx ON trading.market_data_2025_11 USING brin ("timestamp");


--
-- Name: market_data_other_timestamp_idx; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX market_data_other_timestamp_idx ON trading.market_data_other USING brin ("timestamp");


--
-- Name: orders_by_bot; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX orders_by_bot ON trading.orders USING btree (bot_id, decided_at DESC);


--
-- Name: orders_by_exchange_id; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX orders_by_exchange_id ON trading.orders USING btree (account, exchange_order_id) WHERE (exchange_order_id IS NOT NULL);


--
-- Name: orders_by_time; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX orders_by_time ON trading.orders USING btree (decided_at DESC);


--
-- Name: orders_open; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX orders_open ON trading.orders USING btree (account, bot_id) WHERE (state = ANY (ARRAY['pending'::text, 'sent'::text, 'unknown'::text, 'acked'::text, 'open'::text, 'partially_filled'::text]));


--
-- Name: position_entries_by_time; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX position_entries_by_time ON trading.position_entries USING btree (account, symbol, entry_time);


--
-- Name: position_entries_open; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX position_entries_open ON trading.position_entries USING btree (account, bot_id, symbol, entry_time) WHERE (remaining_qty > (0)::numeric);


--
-- Name: positions_by_time; Type: INDEX; Schema: trading; Owner: -
--

CREATE INDEX positions_by_time ON trading.positions USING btree (account, symbol, opened_at);


--
-- Name: positions_one_open; Type: INDEX; Schema: trading; Owner: -
--

CREATE UNIQUE INDEX positions_one_open ON trading.positions USING btree (account, bot_id, symbol) WHERE (closed_at IS NULL);


--
-- Name: market_data_2025_10_pkey; Type: INDEX ATTACH; Schema: trading; Owner: -
--

ALTER INDEX trading.market_data_pkey ATTACH PARTITION trading.market_data_2025_10_pkey;


--
-- Name: market_data_2025_10_timestamp_idx; Type: INDEX ATTACH; Schema: trading; Owner: -
--

ALTER INDEX trading.market_data_by_time ATTACH PARTITION trading.market_data_2025_10_timestamp_idx;


--
-- Name: market_data_2025_11_pkey; Type: INDEX ATTACH; Schema: trading; Owner: -
--

ALTER INDEX trading.market_data_pkey ATTACH PARTITION trading.market_data_2025_11_pkey;


--
-- Name: market_data_2025_11_timestamp_idx; Type: INDEX ATTACH; Schema: trading; Owner: -
--

ALTER INDEX trading.market_data_by_time ATTACH PARTITION trading.market_data_2025_11_timestamp_idx;


--
-- Name: market_data_other_pkey; Type: INDEX ATTACH; Schema: trading; Owner: -
--

ALTER INDEX trading.market_data_pkey ATTACH PARTITION trading.market_data_other_pkey;


--
-- Name: market_data_other_timestamp_idx; Type: INDEX ATTACH; Schema: trading; Owner: -
--

ALTER INDEX trading.market_data_by_time ATTACH PARTITION trading.market_data_other_timestamp_idx;


--
-- Name: command_log append_only; Type: TRIGGER; Schema: audit; Owner: -
--

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON audit.command_log FOR EACH ROW EXECUTE FUNCTION config.refuse_change();

ALTER TABLE audit.command_log ENABLE ALWAYS TRIGGER append_only;


--
-- Name: command_log append_only_truncate; Type: TRIGGER; Schema: audit; Owner: -
--

CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON audit.command_log FOR EACH STATEMENT EXECUTE FUNCTION config.refuse_change();

ALTER TABLE audit.command_log ENABLE ALWAYS TRIGGER append_only_truncate;


--
-- Name: order_tags append_only; Type: TRIGGER; Schema: config; Owner: -
--

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON config.order_tags FOR EACH ROW EXECUTE FUNCTION config.refuse_change();


--
-- Name: quantity_steps append_only; Type: TRIGGER; Schema: config; Owner: -
--

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON config.quantity_steps FOR EACH ROW EXECUTE FUNCTION config.refuse_change();

ALTER TABLE config.quantity_steps ENABLE ALWAYS TRIGGER append_only;


--
-- Name: quantity_steps append_only_truncate; Type: TRIGGER; Schema: config; Owner: -
--

CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON config.quantity_steps FOR EACH STATEMENT EXECUTE FUNCTION config.refuse_change();

ALTER TABLE config.quantity_steps ENABLE ALWAYS TRIGGER append_only_truncate;


--
-- Name: bot_state touch; Type: TRIGGER; Schema: config; Owner: -
--

CREATE TRIGGER touch BEFORE UPDATE ON config.bot_state FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();


--
-- Name: marks touch; Type: TRIGGER; Schema: config; Owner: -
--

CREATE TRIGGER touch BEFORE UPDATE ON config.marks FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();


--
-- Name: symbol_owners touch; Type: TRIGGER; Schema: config; Owner: -
--

CREATE TRIGGER touch BEFORE UPDATE ON config.symbol_owners FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();


--
-- Name: adjustments append_only; Type: TRIGGER; Schema: trading; Owner: -
--

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON trading.adjustments FOR EACH ROW EXECUTE FUNCTION config.refuse_change();

ALTER TABLE trading.adjustments ENABLE ALWAYS TRIGGER append_only;


--
-- Name: attribution_overrides append_only; Type: TRIGGER; Schema: trading; Owner: -
--

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON trading.attribution_overrides FOR EACH ROW EXECUTE FUNCTION config.refuse_change();

ALTER TABLE trading.attribution_overrides ENABLE ALWAYS TRIGGER append_only;


--
-- Name: executions append_only; Type: TRIGGER; Schema: trading; Owner: -
--

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON trading.executions FOR EACH ROW EXECUTE FUNCTION config.refuse_change();

ALTER TABLE trading.executions ENABLE ALWAYS TRIGGER append_only;


--
-- Name: adjustments append_only_truncate; Type: TRIGGER; Schema: trading; Owner: -
--

CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON trading.adjustments FOR EACH STATEMENT EXECUTE FUNCTION config.refuse_change();

ALTER TABLE trading.adjustments ENABLE ALWAYS TRIGGER append_only_truncate;


--
-- Name: attribution_overrides append_only_truncate; Type: TRIGGER; Schema: trading; Owner: -
--

CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON trading.attribution_overrides FOR EACH STATEMENT EXECUTE FUNCTION config.refuse_change();

ALTER TABLE trading.attribution_overrides ENABLE ALWAYS TRIGGER append_only_truncate;


--
-- Name: executions append_only_truncate; Type: TRIGGER; Schema: trading; Owner: -
--

CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON trading.executions FOR EACH STATEMENT EXECUTE FUNCTION config.refuse_change();

ALTER TABLE trading.executions ENABLE ALWAYS TRIGGER append_only_truncate;


--
-- Name: fills ledger_row; Type: TRIGGER; Schema: trading; Owner: -
--

CREATE TRIGGER ledger_row BEFORE INSERT ON trading.fills FOR EACH ROW EXECUTE FUNCTION trading.expect_ledger_row();


--
-- Name: position_entries ledger_row; Type: TRIGGER; Schema: trading; Owner: -
--

CREATE TRIGGER ledger_row BEFORE INSERT ON trading.position_entries FOR EACH ROW EXECUTE FUNCTION trading.expect_ledger_row();


--
-- Name: positions ledger_row; Type: TRIGGER; Schema: trading; Owner: -
--

CREATE TRIGGER ledger_row BEFORE INSERT ON trading.positions FOR EACH ROW EXECUTE FUNCTION trading.expect_ledger_row();


--
-- Name: accounts touch; Type: TRIGGER; Schema: trading; Owner: -
--

CREATE TRIGGER touch BEFORE UPDATE ON trading.accounts FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();


--
-- Name: bots touch; Type: TRIGGER; Schema: trading; Owner: -
--

CREATE TRIGGER touch BEFORE UPDATE ON trading.bots FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();


--
-- Name: completed_trades touch; Type: TRIGGER; Schema: trading; Owner: -
--

CREATE TRIGGER touch BEFORE UPDATE ON trading.completed_trades FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();


--
-- Name: exchange_positions touch; Type: TRIGGER; Schema: trading; Owner: -
--

CREATE TRIGGER touch BEFORE UPDATE ON trading.exchange_positions FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();


--
-- Name: orders touch; Type: TRIGGER; Schema: trading; Owner: -
--

CREATE TRIGGER touch BEFORE UPDATE ON trading.orders FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();


--
-- Name: position_entries touch; Type: TRIGGER; Schema: trading; Owner: -
--

CREATE TRIGGER touch BEFORE UPDATE ON trading.position_entries FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();


--
-- Name: positions touch; Type: TRIGGER; Schema: trading; Owner: -
--

CREATE TRIGGER touch BEFORE UPDATE ON trading.positions FOR EACH ROW EXECUTE FUNCTION config.touch_updated_at();


--
-- Name: bot_state bot_state_bot_id_account_fkey; Type: FK CONSTRAINT; Schema: config; Owner: -
--

ALTER TABLE ONLY config.bot_state
    ADD CONSTRAINT bot_state_bot_id_account_fkey FOREIGN KEY (bot_id, account) REFERENCES trading.bots(bot_id, account);


--
-- Name: decisions decisions_bot_id_account_fkey; Type: FK CONSTRAINT; Schema: config; Owner: -
--

ALTER TABLE ONLY config.decisions
    ADD CONSTRAINT decisions_bot_id_account_fkey FOREIGN KEY (bot_id, account) REFERENCES trading.bots(bot_id, account);


--
-- Name: marks marks_account_fkey; Type: FK CONSTRAINT; Schema: config; Owner: -
--

ALTER TABLE ONLY config.marks
    ADD CONSTRAINT marks_account_fkey FOREIGN KEY (account) REFERENCES trading.accounts(account);


--
-- Name: quantity_steps quantity_steps_account_fkey; Type: FK CONSTRAINT; Schema: config; Owner: -
--

ALTER TABLE ONLY config.quantity_steps
    ADD CONSTRAINT quantity_steps_account_fkey FOREIGN KEY (account) REFERENCES trading.accounts(account);


--
-- Name: symbol_owners symbol_owners_bot_id_account_fkey; Type: FK CONSTRAINT; Schema: config; Owner: -
--

ALTER TABLE ONLY config.symbol_owners
    ADD CONSTRAINT symbol_owners_bot_id_account_fkey FOREIGN KEY (bot_id, account) REFERENCES trading.bots(bot_id, account);


--
-- Name: account_balance account_balance_account_fkey; Type: FK CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.account_balance
    ADD CONSTRAINT account_balance_account_fkey FOREIGN KEY (account) REFERENCES trading.accounts(account);


--
-- Name: adjustments adjustments_bot_id_account_fkey; Type: FK CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.adjustments
    ADD CONSTRAINT adjustments_bot_id_account_fkey FOREIGN KEY (bot_id, account) REFERENCES trading.bots(bot_id, account);


--
-- Name: attribution_overrides attribution_overrides_account_symbol_exec_id_fkey; Type: FK CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.attribution_overrides
    ADD CONSTRAINT attribution_overrides_account_symbol_exec_id_fkey FOREIGN KEY (account, symbol, exec_id) REFERENCES trading.executions(account, symbol, exec_id);


--
-- Name: attribution_overrides attribution_overrides_bot_id_account_fkey; Type: FK CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.attribution_overrides
    ADD CONSTRAINT attribution_overrides_bot_id_account_fkey FOREIGN KEY (bot_id, account) REFERENCES trading.bots(bot_id, account);


--
-- Name: bots bots_account_fkey; Type: FK CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.bots
    ADD CONSTRAINT bots_account_fkey FOREIGN KEY (account) REFERENCES trading.accounts(account);


--
-- Name: completed_trades completed_trades_bot_id_account_fkey; Type: FK CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.completed_trades
    ADD CONSTRAINT completed_trades_bot_id_account_fkey FOREIGN KEY (bot_id, account) REFERENCES trading.bots(bot_id, account);


--
-- Name: exchange_positions exchange_positions_account_fkey; Type: FK CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.exchange_positions
    ADD CONSTRAINT exchange_positions_account_fkey FOREIGN KEY (account) REFERENCES trading.accounts(account);


--
-- Name: executions executions_account_fkey; Type: FK CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.executions
    ADD CONSTRAINT executions_account_fkey FOREIGN KEY (account) REFERENCES trading.accounts(account);


--
-- Name: fills fills_bot_id_account_fkey; Type: FK CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.fills
    ADD CONSTRAINT fills_bot_id_account_fkey FOREIGN KEY (bot_id, account) REFERENCES trading.bots(bot_id, account);


--
-- Name: funding_payments funding_payments_account_symbol_exec_id_fkey; Type: FK CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.funding_payments
    ADD CONSTRAINT funding_payments_account_symbol_exec_id_fkey FOREIGN KEY (account, symbol, exec_id) REFERENCES trading.executions(account, symbol, exec_id);


--
-- Name: funding_payments funding_payments_bot_id_account_fkey; Type: FK CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.funding_payments
    ADD CONSTRAINT funding_payments_bot_id_account_fkey FOREIGN KEY (bot_id, account) REFERENCES trading.bots(bot_id, account);


--
-- Name: orders orders_bot_id_account_fkey; Type: FK CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.orders
    ADD CONSTRAINT orders_bot_id_account_fkey FOREIGN KEY (bot_id, account) REFERENCES trading.bots(bot_id, account);


--
-- Name: position_entries position_entries_bot_id_account_fkey; Type: FK CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.position_entries
    ADD CONSTRAINT position_entries_bot_id_account_fkey FOREIGN KEY (bot_id, account) REFERENCES trading.bots(bot_id, account);


--
-- Name: positions positions_bot_id_account_fkey; Type: FK CONSTRAINT; Schema: trading; Owner: -
--

ALTER TABLE ONLY trading.positions
    ADD CONSTRAINT positions_bot_id_account_fkey FOREIGN KEY (bot_id, account) REFERENCES trading.bots(bot_id, account);


--
-- PostgreSQL database dump complete
--


