"""What a checkout has beside the package travels inside it in a wheel, where it cannot get in the
way of other packages; alpha/resources.py finds either. An editable install uses the checkout."""

from __future__ import annotations

from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BESIDE = ("migrations", "plugins", "config.toml")


class WheelHook(BuildHookInterface[BuilderConfig]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":
            build_data["force_include"].update({name: f"alpha/_{name}" for name in BESIDE})
