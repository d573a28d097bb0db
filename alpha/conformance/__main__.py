"""One run of a plugin in a process of its own, for `checks`: a request as JSON on stdin, the rows
of its course as JSON in the last line of stdout."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import structlog

from alpha.conformance.checks import Request, candidate_of, rows_of
from alpha.conformance.course import Course
from alpha.conformance.ground import lay_out


def main() -> None:
    quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=quiet)
    asked = json.load(sys.stdin)
    data = asked["data"]
    request = Request(
        name=asked["name"],
        folders=tuple(Path(folder) for folder in asked["folders"]),
        settings=asked["settings"],
        data=None if data is None else Path(data),
        closes=asked["closes"],
    )
    candidate = candidate_of(request)
    ground = lay_out(candidate, request.data, request.closes)
    rows = rows_of(Course(ground, ground.seat(candidate)).run())
    print("\n" + json.dumps(rows))


main()
