from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Commands set up the log of their process, which here is that of all tests."""
    yield
    structlog.reset_defaults()
