"""The log goes to stderr and keeps secrets to itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from alpha.cli.logs import configure
from alpha.cli.options import settings


def test_lines_go_to_stderr_and_mask_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    log = structlog.get_logger("test")
    log.debug("too_quiet")
    log.info(
        "connected",
        api_key="kkkk",
        bybit_secret="ssss",
        url="postgresql://me:hush@db:5432/books",
        error="POST /bot123456789:AAFakeTokenForTests_0123456789abcdefg/getMe",
        host="db",
    )
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert "connected" in line and "host='db'" in line and "me:********@db:5432" in line
    for secret in ("kkkk", "ssss", "hush", "AAFake"):
        assert secret not in line


def test_exceptions_are_masked_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    try:
        raise RuntimeError("no answer from redis://:hush@cache:6379/0")
    except RuntimeError:
        structlog.get_logger("test").exception("failed")
    error = capsys.readouterr().err
    assert "no answer from" in error and "hush" not in error


@pytest.mark.parametrize(("level", "shown"), [("info", False), ("debug", True)])
def test_a_verb_that_answers_logs_only_what_is_wrong(
    tmp_path: Path, level: str, shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "alpha.toml"
    file.write_text(f'[log]\nlevel = "{level}"\n', encoding="utf-8")
    settings(file)
    structlog.get_logger("test").info("lease_acquired")
    structlog.get_logger("test").warning("redis_away")
    settings(file, lasting=True)
    structlog.get_logger("test").info("alpha_ready")
    error = capsys.readouterr().err
    assert ("lease_acquired" in error) is shown
    assert "redis_away" in error and "alpha_ready" in error
