"""One commit per row of `trading.fills` with psycopg2, the earlier platform's way.

Run by `bench.ledger` in an environment of its own (script/bootstrap --bench), without the package.
Standard input: one JSON object `{"dsn", "columns", "rows"}`; prints the seconds that it took.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter

import psycopg2


def main() -> None:
    given = json.load(sys.stdin)
    names = given["columns"]
    insert = (
        f"INSERT INTO trading.fills ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"
    )
    connection = psycopg2.connect(given["dsn"])
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    connection.commit()
    began = perf_counter()
    for row in given["rows"]:
        cursor.execute(insert, row)
        connection.commit()
    seconds = perf_counter() - began
    connection.close()
    print(seconds)


if __name__ == "__main__":
    main()
