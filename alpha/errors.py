"""The exception tree. Each leaf says what the caller, or the operator, does next.

AlphaError
├── RetryLater          nothing happened; the same call may be made again after a pause
├── OutcomeUnknown      the exchange may or may not have acted; ask by id before anything else
├── VenueRejected       the exchange answered no; carries its code and words
│   └── AuthRejected    key, signature, permission or address refused; no retry loop
├── BotFault            a plugin raised, returned nonsense, or overran its budget
└── NeedsOperator       a person has to act; carries the process's exit code
    ├── ConfigError     exit code 4
    ├── NotFound        exit code 2: an unknown name
    ├── NotRunning      exit code 3: a verb needs a running daemon
    └── TimedOut        exit code 5

Messages read "what was expected, what was found; what to do".
"""

from __future__ import annotations


class AlphaError(Exception):
    """Base of every error that Alpha raises on purpose."""

    exit_code: int = 1


class RetryLater(AlphaError):
    """Nothing happened; the same call may be made again after `after_s` seconds."""

    def __init__(self, message: str, *, after_s: float = 1.0) -> None:
        super().__init__(message)
        self.after_s = after_s


class OutcomeUnknown(AlphaError):
    """The exchange may or may not have acted; ask by id before anything else."""


class VenueRejected(AlphaError):
    """The exchange refused. `code` is its retCode, `message` its retMsg."""

    def __init__(self, code: int, message: str, *, action: str = "request") -> None:
        super().__init__(f"the exchange refused the {action}: retCode {code}, {message!r}")
        self.code = code
        self.message = message
        self.action = action


class AuthRejected(VenueRejected):
    """Key, signature, permission or address refused: stop trading and tell the operator."""

    def __init__(self, code: int, message: str, *, action: str = "request") -> None:
        super().__init__(code, message, action=action)
        self.args = (
            f"{self.args[0]}; check api_key and api_secret of the account, its permissions, and "
            "the addresses that the key allows",
        )


class BotFault(AlphaError):
    """A plugin raised, returned nonsense, or overran its budget. The other bots run on."""

    def __init__(self, bot: str, message: str) -> None:
        super().__init__(f"bot {bot}: {message}")
        self.bot = bot


class NeedsOperator(AlphaError):
    """A person has to act; the message says what to do."""


class ConfigError(NeedsOperator):
    exit_code = 4


class NotFound(NeedsOperator):
    exit_code = 2


class NotRunning(NeedsOperator):
    exit_code = 3


class TimedOut(NeedsOperator):
    exit_code = 5
