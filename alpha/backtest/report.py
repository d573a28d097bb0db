"""A backtest's report: one page that stands alone, without a script and without anything from
elsewhere. Numbers are those of `alpha.backtest.metrics`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from alpha.backtest.drawing import Candle, Mark, bars, candle_chart, curve
from alpha.backtest.metrics import Figures, monthly_returns
from alpha.backtest.result import Result, Trade
from alpha.backtest.style import STYLE
from alpha.backtest.summary import main_figures, written
from alpha.backtest.tape import Tape
from alpha.candles.files import Candles, interval_name
from alpha.clock import iso

#: Charts of symbols, those with the most trades first, and rows of trades that a page has room for.
MOST_CHARTS = 8
MOST_ROWS = 2000
MOST_CANDLES = 280
#: Charts from nearer by of one symbol, those with the most trades, and candles before their first.
MOST_NEAR = 6
LEAD = 20
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def page(bots: Sequence[str], tape: Tape, result: Result, figures: Figures) -> str:
    """The whole page as HTML."""
    names = ", ".join(bots)
    body = [
        f"<h1>{escape(names)}</h1>",
        f'<p class="when">{_minute(figures["start"])} to {_minute(figures["end"])} UTC, '
        f"{figures['bars']:,} bars of {interval_name(tape.interval_ms)}, began with "
        f"{written(figures['balance'], 'money')} USDT</p>",
        _tiles(figures),
        *_over_time(result, figures),
        "<h2>Months</h2>",
        _heat_map(monthly_returns(result.curve, float(result.balance))),
        *_reasons(figures),
        *_charts(tape, result),
        "<h2>By symbol</h2>",
        _groups(figures, "by_symbol", "symbol"),
        *(["<h2>By bot</h2>", _groups(figures, "by_bot", "bot")] if len(bots) > 1 else []),
        *_open(result),
        *_trades(result.trades),
        *(f'<p class="note">{escape(note)}</p>' for note in result.notes),
        '<p class="note">A decision at a close fills at the next open; stops are looked at over '
        "whole bars, the worse of two first. Past results say nothing about coming ones.</p>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Backtest of {escape(names)}</title><style>{STYLE}</style></head>\n<body><main>"
        + "\n".join(body)
        + "</main></body></html>\n"
    )


def _wide(part: str) -> str:
    """On a narrow screen it scrolls by itself, and the page does not."""
    return f'<div class="wide">{part}</div>'


def _minute(stamp: object) -> str:
    return str(stamp)[:16].replace("T", " ") if stamp is not None else "-"


def _money(value: float) -> str:
    return f"{value:,.0f}"


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _tiles(figures: Figures) -> str:
    tiles = "".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(value)}</dd></div>"
        for label, value in main_figures(figures)
    )
    return f'<dl class="tiles">{tiles}</dl>'


def _over_time(result: Result, figures: Figures) -> Iterator[str]:
    found = result.curve
    if not found.close_ms:
        return
    equity = list(zip(found.close_ms, found.equity, strict=True))
    yield "<h2>Equity</h2>"
    yield _wide(
        curve(
            equity,
            height=300,
            kind="equity",
            label="equity",
            write=_money,
            base=float(result.balance),
        )
    )
    yield "<h2>Drawdown</h2>"
    if figures["max_drawdown_from"] is not None:
        recovered = figures["max_drawdown_recovered"]
        yield (
            f'<p class="when">deepest {written(figures["max_drawdown"], "percent")}, from '
            f"{_minute(figures['max_drawdown_from'])} to {_minute(figures['max_drawdown_to'])}, "
            f"{'not recovered' if recovered is None else 'recovered ' + _minute(recovered)}</p>"
        )
    peak, falls = float(result.balance), []
    for at_ms, value in equity:
        peak = max(peak, value)
        falls.append((at_ms, value / peak - 1 if peak > 0 else 0.0))
    yield _wide(curve(falls, height=170, kind="fall", label="drawdown", write=_percent, base=0.0))


def _heat_map(months: Sequence[tuple[str, float]]) -> str:
    """A row for each year; the colour grows with the return, up to 20 %."""
    years: dict[str, dict[int, float]] = {}
    for month, value in months:
        years.setdefault(month[:4], {})[int(month[5:])] = value
    head = "".join(f"<th>{name}</th>" for name in (*_MONTHS, "year"))
    rows = []
    for year, by_month in years.items():
        whole = 1.0
        for value in by_month.values():
            whole *= 1 + value
        cells = [by_month.get(number) for number in range(1, 13)] + [whole - 1]
        rows.append(f"<tr><th>{year}</th>{''.join(map(_cell, cells))}</tr>")
    return _wide(f'<table class="heat"><tr><th></th>{head}</tr>{"".join(rows)}</table>')


def _cell(value: float | None) -> str:
    if value is None:
        return "<td></td>"
    strength = min(abs(value) / 0.2, 1.0)
    kind = "won" if value >= 0 else "lost"
    return f'<td class="{kind}" style="--s:{strength:.2f}">{value:+.1%}</td>'


def _reasons(figures: Figures) -> Iterator[str]:
    found = figures["by_reason"]
    if not isinstance(found, Mapping) or not found:
        return
    rows = []
    for name, row in found.items():
        if isinstance(row, Mapping):
            net, count = row["net_pnl"], row["trades"]
            if isinstance(net, float) and isinstance(count, int):
                rows.append((name, net, f"{net:,.2f} in {count} trade{'s' if count > 1 else ''}"))
    yield "<h2>Exit reasons</h2>"
    yield _wide(bars(sorted(rows, key=lambda one: -one[1]), label="net result by exit reason"))


def _groups(figures: Figures, key: str, label: str) -> str:
    group = figures[key]
    rows = [
        f"<tr><td>{escape(name)}</td>"
        + "".join(
            f"<td>{written(row[figure], kind)}</td>"
            for figure, kind in (
                ("trades", "count"),
                ("net_pnl", "money"),
                ("fees", "money"),
                ("win_rate", "percent"),
            )
        )
        + "</tr>"
        for name, row in (group.items() if isinstance(group, Mapping) else ())
        if isinstance(row, Mapping)
    ]
    head = f"<tr><th>{label}</th><th>trades</th><th>net</th><th>fees</th><th>win rate</th></tr>"
    return _wide(f"<table>{head}{''.join(rows)}</table>")


def _charts(tape: Tape, result: Result) -> Iterator[str]:
    """The symbols that were traded, from the first decision on."""
    counts: dict[str, int] = {}
    for trade in result.trades:
        counts[trade.symbol] = counts.get(trade.symbol, 0) + 1
    chosen = sorted(counts, key=lambda symbol: (-counts[symbol], symbol))[:MOST_CHARTS]
    begin = result.curve.close_ms[0] if result.curve.close_ms else tape.start_ms
    for symbol in chosen:
        shown = _candles(tape.candles[symbol], begin, tape.count[symbol])
        if not shown:
            continue
        own = [trade for trade in result.trades if trade.symbol == symbol]
        yield f"<h2>{escape(symbol)}</h2>"
        yield _wide(candle_chart(shown, list(map(_mark, own)), label=f"{symbol} with trades"))
        yield from _nearer(tape.candles[symbol], tape.count[symbol], own)
    if chosen:
        yield (
            '<p class="note">A triangle is an entry, a ring an exit; green was won, red lost. The '
            "pointer on one shows its figures.</p>"
        )
    if len(counts) > len(chosen):
        yield f'<p class="note">{len(counts) - len(chosen)} more symbols were traded.</p>'


def _nearer(candles: Candles, until: int, trades: Sequence[Trade]) -> Iterator[str]:
    """The times with the most trades once more, in which a middling trade takes an eighth of the
    width at most."""
    lengths = sorted(one.exit_ms - one.entry_ms for one in trades)
    size = -(-lengths[len(lengths) // 2] * 8 // (MOST_CANDLES * candles.interval_ms)) or 1
    span_ms = size * MOST_CANDLES * candles.interval_ms
    if candles.starts[until - 1] - min(one.entry_ms for one in trades) < span_ms:
        return  # the whole is no farther away
    found: list[tuple[int, list[Trade]]] = []
    for trade in sorted(trades, key=lambda one: one.entry_ms):
        if not found or trade.exit_ms >= found[-1][0] + span_ms:
            found.append((trade.entry_ms - LEAD * size * candles.interval_ms, []))
        found[-1][1].append(trade)
    busiest = sorted(found, key=lambda one: -len(one[1]))[:MOST_NEAR]
    charts = []
    for begin_ms, some in sorted(busiest, key=lambda one: one[0]):
        behind = bisect_left(candles.starts, begin_ms + span_ms, 0, until)
        label = f"{candles.symbol} from {_minute(iso(begin_ms))}"
        shown = _candles(candles, begin_ms + candles.interval_ms, behind)
        charts.append(_wide(candle_chart(shown, list(map(_mark, some)), label=label)))
    name = "the busiest times" if len(found) > len(busiest) else "all trades"
    yield f"<details><summary>Nearer: {name}</summary>{''.join(charts)}</details>"


def _candles(candles: Candles, begin_ms: int, until: int) -> list[Candle]:
    """As many as a chart has room for, each put together from several."""
    first = bisect_left(candles.starts, begin_ms - candles.interval_ms, 0, until)
    size = max(1, -(-(until - first) // MOST_CANDLES))
    return [
        Candle(
            candles.starts[at],
            candles.opens[at],
            max(candles.highs[at : min(at + size, until)]),
            min(candles.lows[at : min(at + size, until)]),
            candles.closes[min(at + size, until) - 1],
        )
        for at in range(first, until, size)
    ]


def _mark(trade: Trade) -> Mark:
    return Mark(
        trade.entry_ms,
        float(trade.entry_price),
        trade.exit_ms,
        float(trade.exit_price),
        trade.side == "long",
        trade.net_pnl > 0,
        f"{trade.side} {trade.qty:f} from {_minute(iso(trade.entry_ms))} at {trade.entry_price:f} "
        f"({trade.entry_reason}) to {_minute(iso(trade.exit_ms))} at {trade.exit_price:f} "
        f"({trade.exit_reason}): {trade.net_pnl:,.2f}",
    )


def _open(result: Result) -> Iterator[str]:
    if not result.open_positions:
        return
    yield "<h2>Still open</h2>"
    rows = "".join(
        f"<tr><td>{escape(one.bot)}</td><td>{escape(one.symbol)}</td><td>{one.side}</td>"
        f"<td>{one.qty:f}</td><td>{_minute(iso(one.entry_ms))}</td><td>{one.entry_price:f}</td>"
        f"<td>{one.mark_price:f}</td><td>{one.unrealised_pnl:,.2f}</td></tr>"
        for one in result.open_positions
    )
    head = ["bot", "symbol", "side", "quantity", "entered", "at", "last", "unrealised"]
    names = "".join(f"<th>{one}</th>" for one in head)
    yield _wide(f"<table><tr>{names}</tr>{rows}</table>")


def _trades(trades: Sequence[Trade]) -> Iterator[str]:
    if not trades:
        return
    rows = "".join(
        f"<tr><td>{escape(one.bot)}</td><td>{escape(one.symbol)}</td><td>{one.side}</td>"
        f"<td>{one.qty:f}</td><td>{_minute(iso(one.entry_ms))}</td><td>{one.entry_price:f}</td>"
        f"<td>{_minute(iso(one.exit_ms))}</td><td>{one.exit_price:f}</td>"
        f"<td>{escape(one.exit_reason)}</td><td>{one.fees:,.2f}</td>"
        f'<td class="{"won" if one.net_pnl > 0 else "lost"}">{one.net_pnl:,.2f}</td></tr>'
        for one in trades[:MOST_ROWS]
    )
    head = [
        "bot",
        "symbol",
        "side",
        "quantity",
        "entered",
        "at",
        "left",
        "at",
        "reason",
        "fees",
        "net",
    ]
    more = len(trades) - MOST_ROWS
    names = "".join(f"<th>{one}</th>" for one in head)
    yield (
        f'<details><summary class="title">{len(trades)} trade{"s" if len(trades) > 1 else ""}'
        "</summary>"
        + _wide(f"<table><tr>{names}</tr>{rows}</table>")
        + (f'<p class="note">{more} more are in the JSON result.</p>' if more > 0 else "")
        + "</details>"
    )
