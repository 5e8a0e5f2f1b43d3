"""Lengths of time as people type them: 8h, 90m, 45s or 1h30m."""

from __future__ import annotations

import re

from mpt.errors import ConfigError

_TIME = r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?"
_UNITS = {"h": 3600, "m": 60, "s": 1}
_WORDS = (("h", "hours|hour|hrs|hr"), ("m", "minutes|minute|mins|min"), ("s", "seconds|second|sec"))


def duration(text: str) -> float:
    """Parse ``8h``, ``90m``, ``45s`` or ``1h30m`` into seconds. Raises ``ConfigError``."""
    match = re.fullmatch(_TIME, text)
    seconds = sum(
        int(number or 0) * unit
        for number, unit in zip(match.groups() if match else (), _UNITS.values(), strict=False)
    )
    if seconds:
        return float(seconds)
    raise ConfigError(f"a budget of {text!r} {_advice(text)}")


def _advice(text: str) -> str:
    if text.isdecimal() and text.strip("0"):
        return f"has no unit; give {text}h, {text}m or {text}s"
    meant = re.sub(r"[\s,]+|and", "", text.casefold())
    for unit, words in _WORDS:
        meant = re.sub(words, unit, meant)
    meant = re.sub(r"(\d{1,4})(?:days|day|d)", lambda days: f"{24 * int(days[1])}h", meant)
    meant = re.sub(r"(\d{0,4}\.\d{1,9})h", lambda hours: f"{round(60 * float(hours[1]))}m", meant)
    if meant != text and re.fullmatch(_TIME, meant) and meant.strip("0hms"):
        return f"is not a time that mpt reads; did you mean {meant!r}?"
    return "is not a length of time; give one such as 8h, 90m, 45s or 1h30m"
