"""`python -m alpha`: the same as the `alpha` command."""

from __future__ import annotations

import sys

from alpha.cli import main

sys.exit(main())
