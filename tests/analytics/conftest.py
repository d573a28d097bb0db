from tests.ledger.conftest import pool

__all__ = ["pool"]
