"""Windows of time and pages of lists, the same for every history endpoint.

Windows are at most seven days wide. Lists come newest first with an opaque cursor that is
already percent-encoded; there is one on the last page too.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar
from urllib.parse import quote, unquote

from alpha.sim.intervals import DAY_MS
from alpha.sim.model import Refusal
from alpha.sim.params import Params

T = TypeVar("T")

WEEK_MS = 7 * DAY_MS
FIRST_PAGE = (2**62, 2**62)


class Window(NamedTuple):
    start_ms: int
    end_ms: int


def asked_window(params: Params, default_ms: int, now_ms: int) -> Window:
    """startTime and endTime with their defaults; wider than seven days is refused."""
    start, end = params.integer("startTime", -1), params.integer("endTime", -1)
    if start < 0 and end < 0:
        return Window(now_ms - default_ms, now_ms)
    if end < 0:
        end = start + default_ms
    if start < 0:
        start = end - default_ms
    if end < start or end - start > WEEK_MS:
        raise Refusal(10001, "The time range between startTime and endTime is over 7 days")
    return Window(start, end)


def page_mark(params: Params) -> tuple[int, int]:
    """The place after which the next page begins, out of the cursor of the page before."""
    cursor = unquote(params.text("cursor"))
    if not cursor:
        return FIRST_PAGE
    try:
        ms, number = cursor.rpartition(",")[2].split(":")
        return int(ms), int(number)
    except ValueError:
        raise Refusal(10001, "params error: cursor invalid") from None


def page_cursor(marks: list[tuple[int, int]]) -> str:
    """First and last place of a page, percent-encoded; there is one on the last page too."""
    if not marks:
        return ""
    (first_ms, first), (last_ms, last) = marks[0], marks[-1]
    return quote(f"{first_ms}:{first},{last_ms}:{last}", safe="")


def counted_page(params: Params, found: list[T], limit: int) -> tuple[list[T], str]:
    """A page of a list that does not change, and the cursor of the next, "" after the last."""
    first = params.integer("cursor", 0)
    if first < 0:
        raise Refusal(10001, "params error: cursor invalid")
    after = first + limit
    return found[first:after], str(after) if after < len(found) else ""
