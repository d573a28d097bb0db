"""How many examples a property of the domain is tried with."""

from __future__ import annotations

import os

from hypothesis import settings

thorough = settings(max_examples=1_000 if os.environ.get("CI") else 300)
