"""JSON of every ``--json``: NaN and infinity, which JSON lacks, are written as null."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite


def json_text(value: object) -> str:
    """Format ``value`` as ASCII JSON, so that it holds no control sequences of a terminal."""
    return json.dumps(_finite(value), indent=2, allow_nan=False)


def json_line(value: object) -> str:
    """Format ``value`` as ``json_text`` does, on one line."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False)


def _finite(value: object) -> object:
    match value:
        case Mapping():
            return {key: _finite(part) for key, part in value.items()}
        case list() | tuple():
            return [_finite(part) for part in value]
        case float() if not isfinite(value):
            return None
    return value
