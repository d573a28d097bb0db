"""The settings of one process: every key of config.toml, its type and its default.

The models are strict and frozen. Text is never taken for a number; values from the environment,
which are text by nature, are read by `alpha.config.sources` before they come here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, SecretStr

Mode = Literal["paper", "demo", "testnet", "live"]
MODES: tuple[Mode, ...] = ("paper", "demo", "testnet", "live")

NAME_PATTERN = r"^[a-z0-9_]{1,20}$"


def _number(value: object) -> object:
    """TOML's whole numbers are fine where a Decimal is asked for; text and floats are not."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    return value


def _path(value: object) -> object:
    return Path(value).expanduser().absolute() if isinstance(value, str) and value else value


def _instant(value: object) -> object:
    """ISO 8601 as text or TOML's own date; without a zone it means UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError("expected an ISO 8601 time such as 2025-11-01T00:00:00Z") from error
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


def _id_list(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Number = Annotated[Decimal, BeforeValidator(_number)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
FilePath = Annotated[Path, BeforeValidator(_path)]
NO_SECRET = SecretStr("")


class Section(BaseModel):
    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True
    )


class PostgresSettings(Section):
    """Empty `url`: a server of our own in the data directory."""

    url: SecretStr = NO_SECRET
    #: Past a pooler, for what cannot go through one. Empty: the same as `url`.
    direct_url: SecretStr = NO_SECRET


class RedisSettings(Section):
    """Empty `url`: a server of our own in the data directory."""

    url: SecretStr = NO_SECRET


class ExchangeSettings(Section):
    """Addresses of the exchange; empty: those of the mode (in paper mode our own simulator)."""

    rest_url: str = ""
    public_ws_url: str = ""
    private_ws_url: str = ""
    trade_ws_url: str = ""

    @property
    def urls(self) -> dict[str, str]:
        """Key and address of those that are set."""
        named = {
            "rest_url": self.rest_url,
            "public_ws_url": self.public_ws_url,
            "private_ws_url": self.private_ws_url,
            "trade_ws_url": self.trade_ws_url,
        }
        return {key: url for key, url in named.items() if url}


class AccountSettings(Section):
    """One account of the exchange, with its own API key and its own private stream."""

    api_key: SecretStr = NO_SECRET
    api_secret: SecretStr = NO_SECRET
    #: Bots of this account may hold opposite positions in one symbol.
    netting: bool = False
    #: Symbol -> name of the bot that owns orders without an id of ours.
    owners: dict[str, str] = Field(default_factory=dict)


class BotSettings(Section):
    """One bot: a plugin with an identity, an account and settings of its own."""

    enabled: bool = False
    #: Empty: the bot's own name.
    plugin: str = ""
    #: Written into every order id and every row. Empty: the bot's own name.
    bot_id: str = ""
    #: For people: shown in the registry.
    description: str = ""
    account: str = "main"
    shared_account: bool = False
    #: USDT that this bot works with on a shared account.
    capital: Annotated[Number | None, Field(gt=0)] = None
    #: What a trade by hand in one of its symbols means for the bot.
    manual_trades: Literal["ignore", "adopt", "pause"] = "ignore"
    redis_db: Annotated[int, Field(ge=0)] = 0
    settings: dict[str, object] = Field(default_factory=dict)


class PaperSettings(Section):
    """The market of paper mode."""

    feed: Literal["synthetic", "replay"] = "synthetic"
    seed: Annotated[int, Field(ge=0)] = 1
    #: Market seconds per second of wall time.
    speed: Annotated[Number, Field(gt=0)] = Decimal(600)
    #: USDT that a new account starts with.
    balance: Annotated[Number, Field(gt=0)] = Decimal(10000)
    #: Folder of CSV candles; needed by the replay feed.
    data: FilePath | None = None
    #: Market time at which the market opens. Unset: the feed's own.
    start: Instant | None = None
    leverage: Annotated[Number, Field(gt=0)] = Decimal(10)


class TelegramSettings(Section):
    """Command and control over Telegram. Off without a token."""

    token: SecretStr = NO_SECRET
    #: User ids that may give commands; everybody else gets no answer.
    admin_ids: Annotated[tuple[int, ...], BeforeValidator(_id_list)] = ()
    base_url: str = "https://api.telegram.org"


class LiveSettings(Section):
    """Real money needs this and `--live` on the command line."""

    enabled: bool = False


RiskAction = Literal["warn", "block_entries", "reduce", "flatten", "halt"]


class LimitSettings(Section):
    """Portfolio limits of one scope; what is unset is not limited. Their formulas, which
    `alpha.config.rules` holds them to, stand in `alpha.core.risk`."""

    #: Fractions of the equity at the begin of the day and of the week, and at the peak.
    daily_loss: Number | None = None
    daily_loss_action: RiskAction = "block_entries"
    weekly_loss: Number | None = None
    weekly_loss_action: RiskAction = "block_entries"
    drawdown: Number | None = None
    drawdown_action: RiskAction = "block_entries"
    #: USDT.
    gross_exposure: Number | None = None
    gross_exposure_action: RiskAction = "block_entries"
    net_exposure: Number | None = None
    net_exposure_action: RiskAction = "block_entries"
    #: Multiples of the equity.
    leverage: Number | None = None
    leverage_action: RiskAction = "block_entries"
    concentration: Number | None = None
    concentration_action: RiskAction = "block_entries"
    open_positions: int | None = None
    open_positions_action: RiskAction = "block_entries"
    orders_per_minute: int | None = None
    orders_per_minute_action: RiskAction = "block_entries"


class RiskSettings(Section):
    """Limits of the send path. Exits are never asked."""

    #: USDT that one entry may be worth at most. Unset: no limit.
    max_notional: Annotated[Number | None, Field(gt=0)] = None
    #: A price or a wallet older than this (seconds of wall time) takes no entries where a
    #: portfolio limit needs it.
    fresh_s: Annotated[Number, Field(gt=0)] = Decimal(120)
    overall: LimitSettings = LimitSettings()
    #: By the account's name.
    accounts: dict[str, LimitSettings] = Field(default_factory=dict)
    #: By the bot's name.
    bots: dict[str, LimitSettings] = Field(default_factory=dict)


class CandleSettings(Section):
    """What is stored of the market."""

    #: Days that candles shorter than an hour are kept; longer ones are kept for ever.
    keep_short_days: Annotated[int, Field(ge=1, le=36_500)] = 90


class RecordingSettings(Section):
    """What is written down beside the ledger, and for how long."""

    #: Days that system events are kept.
    keep_events_days: Annotated[int, Field(ge=1, le=36_500)] = 180
    #: Days that balances and equity are kept as they were written; then one row an hour.
    keep_balances_days: Annotated[int, Field(ge=1, le=36_500)] = 30


class RecordSettings(Section):
    """A recording of what bots see and decide, for `alpha parity`."""

    enabled: bool = False


class BackupSettings(Section):
    """Backups of the database, and how long they are kept."""

    #: False: none are made unasked for; restore points before migrations are.
    enabled: bool = True
    #: Unset: the folder `backups` of the data directory.
    dir: FilePath | None = None
    #: One each full hour, beside the daily one.
    hourly: bool = True
    #: UTC, HH:MM.
    daily_at: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "02:00"
    keep_hourly: Annotated[int, Field(ge=1)] = 48
    keep_daily: Annotated[int, Field(ge=1)] = 30
    keep_weekly: Annotated[int, Field(ge=0)] = 12
    keep_monthly: Annotated[int, Field(ge=0)] = 12
    #: Candles, too. The exchange has them; restore points hold them in any case.
    candles: bool = False
    #: Files are encrypted to this public key of age.
    age_recipient: str = ""
    #: File with the private key, read by restore and verify only.
    age_identity: FilePath | None = None
    #: Files are encrypted to this key of gpg's keyring.
    gpg_recipient: str = ""
    #: Folder with pg_dump, pg_restore and psql. Unset: found by the server's version.
    programs: FilePath | None = None


class InfluxSettings(Section):
    """A server that takes bars, fills, equity and PnL in InfluxDB 2's line protocol."""

    #: http://HOST:8086. Empty: off.
    url: str = ""
    token: SecretStr = NO_SECRET
    org: str = ""
    bucket: str = ""


class SinkSettings(Section):
    """Copies of what is recorded, elsewhere."""

    influx: InfluxSettings = InfluxSettings()


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(Section):
    """All settings. `origins` says of every value, by dotted key, where it came from."""

    mode: Mode = "paper"
    data_dir: FilePath = Field(default_factory=lambda: Path(".alpha").absolute())
    #: Folder with plugins beside those that come with Alpha and those that are installed.
    plugins_dir: FilePath | None = None
    postgres: PostgresSettings = PostgresSettings()
    redis: RedisSettings = RedisSettings()
    exchange: ExchangeSettings = ExchangeSettings()
    accounts: dict[str, AccountSettings] = Field(default_factory=dict)
    bots: dict[str, BotSettings] = Field(default_factory=dict)
    paper: PaperSettings = PaperSettings()
    telegram: TelegramSettings = TelegramSettings()
    live: LiveSettings = LiveSettings()
    risk: RiskSettings = RiskSettings()
    candles: CandleSettings = CandleSettings()
    record: RecordSettings = RecordSettings()
    backup: BackupSettings = BackupSettings()
    recording: RecordingSettings = RecordingSettings()
    sinks: SinkSettings = SinkSettings()
    log: LogSettings = LogSettings()

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)
    _notes: tuple[str, ...] = PrivateAttr(default=())

    @property
    def origins(self) -> Mapping[str, str]:
        return self._origins

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found and not used, one line each, for the operator."""
        return self._notes

    @property
    def enabled_bots(self) -> dict[str, BotSettings]:
        return {name: bot for name, bot in self.bots.items() if bot.enabled}

    def remember(self, origins: Mapping[str, str], notes: tuple[str, ...]) -> Config:
        """Notes where the values came from; called once, by the loader."""
        self._origins.update(origins)
        self._notes = notes
        return self
