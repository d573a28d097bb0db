"""Seeded choices: the same parts give the same draws on every machine and in every run."""

from __future__ import annotations

from hashlib import sha256


class Draw:
    """A short stream of numbers derived from its parts (SHA-256 in counter mode)."""

    def __init__(self, *parts: object) -> None:
        self._key = "|".join(str(part) for part in parts).encode()
        self._block = 0
        self._pool = b""

    def below(self, bound: int) -> int:
        """A number of `range(bound)`; the bias of the modulo stays under 1e-7 for our bounds."""
        if len(self._pool) < 4:
            self._pool = sha256(self._key + self._block.to_bytes(4, "big")).digest()
            self._block += 1
        number = int.from_bytes(self._pool[:4], "big")
        self._pool = self._pool[4:]
        return number % bound

    def chance(self, percent: int) -> bool:
        return self.below(100) < percent
