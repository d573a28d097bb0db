"""Every verb, declared once. The command line, the daemon's socket and Telegram all come here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from alpha.alerts import alert_row
from alpha.control import risk_text, text
from alpha.control.desk import Desk, RiskOrder, Row
from alpha.errors import AlphaError, NotFound

Role = Literal["viewer", "operator", "admin"]
_RANK: dict[Role, int] = {"viewer": 0, "operator": 1, "admin": 2}

#: The names that the earlier platform's operators used.
ALIASES: dict[str, str] = {
    "alpha": "shortseller_001",
    "bravo": "lxalgo_001",
    "charlie": "momentum_001",
}


class BadArgument(AlphaError):
    """A verb was given what it cannot read; the message says what it takes."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Argument:
    """`days`, `limit` and `months` are whole numbers within `low` and `high`, the others words.
    `owner` is a bot or `manual`; unlike `bot` it may also be one that is no longer in the
    settings. `scope` is `all`, a bot, an account, `bot:NAME` or `account:NAME`; `rule` a portfolio
    limit or `all`."""

    name: Literal[
        "bot",
        "days",
        "limit",
        "exec_id",
        "owner",
        "account",
        "months",
        "scope",
        "rule",
        "reason",
    ]
    required: bool = False
    default: int | None = None
    low: int = 1
    high: int = 1

    @property
    def is_number(self) -> bool:
        return self.name in ("days", "limit", "months")

    def takes(self, word: str) -> bool:
        return self.name == "exec_id" or self.is_number == word.isdigit()

    @property
    def usage(self) -> str:
        word = self.name.upper() if self.required else f"[{self.name}]"
        return word


@dataclass(frozen=True, slots=True)
class Given:
    """Arguments, read. `bot` is the bot's name in the settings."""

    bot: str | None = None
    days: int = 7
    limit: int = 20
    exec_id: str = ""
    owner: str = ""
    account: str | None = None
    months: int = 1
    scope: str = ""
    rule: str = ""
    reason: str = ""
    operator: str = ""  # who asks


@dataclass(frozen=True, slots=True)
class Answer:
    """`data` is the documented JSON document, `text` the same for people."""

    data: Mapping[str, object]
    text: str


RiskVerb = Literal["halt", "resume", "flatten", "risk_reset"]
Handler = Callable[[Desk, Given], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Verb:
    """`acts`: it changes something, needs the daemon and leaves a row in the audit log.
    `confirmation`: it has to be asked for twice on a face where a slip is easy. `offline`: it
    acts on the database alone where no daemon runs."""

    name: str
    role: Role
    help: str
    handler: Handler
    arguments: tuple[Argument, ...] = ()
    acts: bool = False
    confirmation: bool = False
    offline: bool = False

    @property
    def usage(self) -> str:
        return " ".join([self.name, *(argument.usage for argument in self.arguments)])

    def allows(self, role: Role) -> bool:
        return _RANK[role] >= _RANK[self.role]

    def match(self, words: Sequence[str]) -> dict[str, str]:
        """Words as an operator types them, by argument: a number goes to the argument that takes
        one, in whatever place it stands. Raises BadArgument for a word too many or missing."""
        found: dict[str, str] = {}
        for word in words:
            free = [a for a in self.arguments if a.name not in found]
            fits = [a for a in free if a.takes(word)]
            if not fits:
                raise BadArgument(f"expected {self.usage}, found {word!r} too much")
            found[fits[0].name] = word
        return found

    def read(self, given: Mapping[str, str]) -> Given:
        """Arguments by name as text -> their values (the bot's name is not looked up here)."""
        known = {argument.name: argument for argument in self.arguments}
        given = {name: _storable(word) for name, word in given.items()}
        for name in given:
            if name not in known:
                raise BadArgument(f"expected {self.usage}, found an argument {name!r}")
        for argument in self.arguments:
            if argument.required and not given.get(argument.name):
                raise BadArgument(f"expected {self.usage}, found no {argument.name}")
        if "scope" in given and not given["scope"].strip():  # a variable that was never set
            raise BadArgument(f"expected {self.usage}, found an empty scope; all is `all`")
        return Given(
            bot=given.get("bot") or None,
            days=_number(known.get("days"), given, 7),
            limit=_number(known.get("limit"), given, 20),
            exec_id=given.get("exec_id", ""),
            owner=given.get("owner", ""),
            account=given.get("account") or None,
            months=_number(known.get("months"), given, 1),
            scope=given.get("scope", ""),
            rule=given.get("rule", ""),
            reason=given.get("reason", ""),
        )


def _storable(word: str) -> str:
    """As a database takes it: without surrogates that stand alone, and without NUL."""
    return word.encode(errors="replace").decode().replace("\0", "")


def _number(argument: Argument | None, given: Mapping[str, str], otherwise: int) -> int:
    if argument is None:
        return otherwise
    word = given.get(argument.name)
    if not word:
        return argument.default if argument.default is not None else otherwise
    if not word.isdigit() or not argument.low <= int(word) <= argument.high:
        raise BadArgument(
            f"{argument.name}: expected a whole number from {argument.low} to {argument.high}, "
            f"found {word!r}"
        )
    return int(word)


def resolve_bot(names: Mapping[str, str], wanted: str) -> str:
    """The name of a bot given by name, bot_id or alias; `names` maps name to bot_id. Raises
    NotFound naming those known."""
    by_id = {bot_id: name for name, bot_id in names.items()}
    word = wanted.lower()
    name = word if word in names else by_id.get(word) or by_id.get(ALIASES.get(word, ""))
    if name is None:
        known = ", ".join(sorted(names)) or "none"
        raise NotFound(f"expected one of the bots {known}, found {wanted!r}")
    return name


async def find_bot(desk: Desk, wanted: str) -> str:
    names = {str(row["name"]): str(row["bot_id"]) for row in await desk.bots()}
    return resolve_bot(names, wanted)


# ---- handlers -------------------------------------------------------------------------------


async def _status(desk: Desk, given: Given) -> Answer:
    status = await desk.status()
    data = {**status, "data_age_s": _rounded(status["data_age_s"])}
    return Answer(data, text.status(status))


async def _bots(desk: Desk, given: Given) -> Answer:
    return await _rows(desk, "bots", await desk.bots())


async def _positions(desk: Desk, given: Given) -> Answer:
    rows = await desk.positions(given.bot)
    return await _rows(desk, "positions", rows[-given.limit :])


async def _orders(desk: Desk, given: Given) -> Answer:
    return await _rows(desk, "orders", await desk.orders(given.limit))


async def _fills(desk: Desk, given: Given) -> Answer:
    return await _rows(desk, "fills", await desk.fills(given.limit))


async def _analytics(desk: Desk, given: Given) -> Answer:
    rows = await desk.analytics(given.bot, given.days)
    age = _rounded(await desk.data_age_s())
    data = {"source": desk.source, "data_age_s": age, "days": given.days, "analytics": list(rows)}
    return Answer(data, text.analytics(rows, given.days) + text.footer(desk.source, age))


async def _alerts(desk: Desk, given: Given) -> Answer:
    alerts = await desk.alerts(given.limit)
    age = _rounded(await desk.data_age_s())
    rows = [alert_row(alert) for alert in alerts]
    data = {"source": desk.source, "data_age_s": age, "alerts": rows}
    words = "\n\n".join(alert.text() for alert in alerts) or "no alerts"
    return Answer(data, words + text.footer(desk.source, age))


async def _rows(desk: Desk, kind: text.Table, rows: Sequence[Row]) -> Answer:
    age = _rounded(await desk.data_age_s())
    data = {"source": desk.source, "data_age_s": age, kind: list(rows)}
    return Answer(data, text.table(kind, rows) + text.footer(desk.source, age))


def _rounded(age_s: float | None) -> float | None:
    """Whole milliseconds: more is noise."""
    return None if age_s is None else round(age_s, 3)


async def _start(desk: Desk, given: Given) -> Answer:
    name = str(given.bot)
    state = await desk.start_bot(name)
    return Answer({"bot": name, "state": state}, f"{name}: {state}")


async def _stop(desk: Desk, given: Given) -> Answer:
    name = str(given.bot)
    state = await desk.stop_bot(name)
    words = f"{name}: {state}; no new entries, open positions stay protected"
    return Answer({"bot": name, "state": state}, words)


async def _assign(desk: Desk, given: Given) -> Answer:
    row = await desk.assign_fill(given.exec_id, given.owner, given.account, given.operator)
    words = f"{row['exec_id']} ({row['symbol']}, account {row['account']}) is {row['bot_id']}'s now"
    return Answer(row, words)


async def _reconcile(desk: Desk, given: Given) -> Answer:
    rows = await desk.reconcile()
    age = _rounded(await desk.data_age_s())
    data = {
        "source": desk.source,
        "data_age_s": age,
        "agrees": not rows,
        "differences": list(rows),
    }
    return Answer(data, text.differences(rows) + text.footer(desk.source, age))


async def _reconcile_apply(desk: Desk, given: Given) -> Answer:
    accounts = await desk.apply_reconciliation(given.operator)
    left = [row for one in accounts for row in one["left"]]
    data = {"agrees": not left, "accounts": list(accounts)}
    return Answer(data, text.applied(accounts))


async def _sync(desk: Desk, given: Given) -> Answer:
    rows = await desk.sync_status(given.account)
    return Answer({"source": desk.source, "accounts": list(rows)}, text.syncs(rows))


async def _sync_run(desk: Desk, given: Given) -> Answer:
    return await _synced(desk, given, None)


async def _sync_backfill(desk: Desk, given: Given) -> Answer:
    return await _synced(desk, given, given.months)


async def _synced(desk: Desk, given: Given, months: int | None) -> Answer:
    """The daemon goes on with it after the answer, without one it is done by then."""
    names = await desk.run_sync(given.account, months)
    done = desk.source == "database"
    words = f"{'synced' if done else 'begun on'} {', '.join(names) or 'no account'}"
    return Answer({"accounts": list(names), "done": done}, f"{words}; see `alpha sync status`")


async def _risk(desk: Desk, given: Given) -> Answer:
    rows = await desk.risk()
    age = _rounded(await desk.data_age_s()) if desk.source == "database" else 0.0
    data = {"source": desk.source, "data_age_s": age, "limits": list(rows)}
    return Answer(data, risk_text.limits(rows, desk.source) + text.footer(desk.source, age))


def _order_risk(verb: RiskVerb) -> Handler:
    async def order(desk: Desk, given: Given) -> Answer:
        wanted = RiskOrder(verb, given.scope, given.operator, given.reason, given.rule)
        answer = await desk.order_risk(wanted)
        return Answer({**answer}, risk_text.ordered(answer))

    return order


_BOT = Argument("bot")
_ACCOUNT = Argument("account")
_ONE_BOT = Argument("bot", required=True)
_LIMIT = Argument("limit", default=20, high=100_000)
_POSITIONS = Argument("limit", default=1000, high=100_000)
_DAYS = Argument("days", default=7, high=90)
_SCOPE = Argument("scope")

VERBS: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb("status", "viewer", "Accounts and bots at a glance.", _status),
        Verb("bots", "viewer", "The bots and their states.", _bots),
        Verb("positions", "viewer", "Open positions.", _positions, (_BOT, _POSITIONS)),
        Verb("orders", "viewer", "The newest orders.", _orders, (_LIMIT,)),
        Verb("fills", "viewer", "The newest fills.", _fills, (_LIMIT,)),
        Verb("alerts", "viewer", "The newest alerts.", _alerts, (_LIMIT,)),
        Verb(
            "analytics",
            "viewer",
            "Trades, net PnL, win rate and fees from the ledger.",
            _analytics,
            (_BOT, _DAYS),
        ),
        Verb(
            "reconcile",
            "viewer",
            "Where the ledger and the exchange differ, point by point.",
            _reconcile,
        ),
        Verb(
            "reconcile_apply",
            "admin",
            "Bring the ledger to agree with the exchange.",
            _reconcile_apply,
            acts=True,
            confirmation=True,
        ),
        Verb("sync", "viewer", "The trade sync, account by account.", _sync, (_ACCOUNT,)),
        Verb(
            "sync_run",
            "operator",
            "Compare the ledger with the exchange's history since the last time, now.",
            _sync_run,
            (_ACCOUNT,),
            acts=True,
            offline=True,
        ),
        Verb(
            "sync_backfill",
            "operator",
            "Bring the history of so many months into the ledger.",
            _sync_backfill,
            (Argument("months", required=True, high=24), _ACCOUNT),
            acts=True,
            offline=True,
        ),
        Verb("start", "operator", "Let a bot enter again.", _start, (_ONE_BOT,), acts=True),
        Verb(
            "stop",
            "operator",
            "Stop a bot's entries; its positions stay protected.",
            _stop,
            (_ONE_BOT,),
            acts=True,
        ),
        Verb("risk", "viewer", "Portfolio limits: how much is used, and what holds.", _risk),
        Verb(
            "halt",
            "operator",
            "Stop all entries, or those of a bot or an account; exits go on.",
            _order_risk("halt"),
            (_SCOPE, Argument("reason")),
            acts=True,
        ),
        Verb(
            "resume",
            "operator",
            "End a halt; limits that are broken stay in force.",
            _order_risk("resume"),
            (_SCOPE,),
            acts=True,
        ),
        Verb(
            "flatten",
            "admin",
            "Close all positions, or those of a bot or an account, and take no entries.",
            _order_risk("flatten"),
            (Argument("scope", required=True),),
            acts=True,
            confirmation=True,
        ),
        Verb(
            "risk_reset",
            "admin",
            "End broken limits and count losses anew from now.",
            _order_risk("risk_reset"),
            (Argument("rule"), _SCOPE),
            acts=True,
            confirmation=True,
        ),
        Verb(
            "assign",
            "admin",
            "Give an execution to another bot, or to manual; the books are computed anew.",
            _assign,
            (
                Argument("exec_id", required=True),
                Argument("owner", required=True),
                _ACCOUNT,
            ),
            acts=True,
            confirmation=True,
            offline=True,
        ),
    )
}


def verb_named(name: str) -> Verb:
    verb = VERBS.get(name)
    if verb is None:
        raise NotFound(f"expected one of the verbs {', '.join(VERBS)}, found {name!r}")
    return verb
