"""The command line: thin verbs over `alpha.control`, one exit code table.

0 ok · 1 error · 2 not found, unknown name, usage · 3 not running · 4 config error · 5 timeout
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import typer

from alpha.errors import AlphaError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code. The only place where errors become codes."""
    from alpha.cli.app import app

    try:
        code = app(args=arguments, standalone_mode=False)
    except AlphaError as error:
        return _complain(str(error), error.exit_code)
    except typer.TyperException as error:
        return _complain(error.format_message(), error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return _complain("stopped before it was done; nothing was changed half-way", 1)
    except BrokenPipeError:
        # Whoever read our output has gone (`alpha fills | head`); that is no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("ALPHA_DEBUG"):
            traceback.print_exc()
        return _complain(
            f"internal error: {type(error).__name__}: {error}; ALPHA_DEBUG=1 shows where", 1
        )
    return code if isinstance(code, int) else 0


def _complain(message: str, code: int) -> int:
    """One line; only a help page, which is what a verb without arguments gets, keeps its own."""
    if not message.startswith("Usage:"):
        message = "alpha: " + " ".join(message.split())
    print(message, file=sys.stderr)
    return code
