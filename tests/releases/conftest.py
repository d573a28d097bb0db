from tests.ledger.conftest import empty_dsn

__all__ = ["empty_dsn"]
