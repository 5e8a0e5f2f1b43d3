"""YAML files that a user wrote: plain data, or one line that says what is wrong with them."""

from __future__ import annotations

from pathlib import Path

_UNMADE = (ValueError, LookupError, AttributeError, TypeError, ArithmeticError)
"""What PyYAML lets through when a tag or a date does not fit its text; text that is no UTF-8."""


def read_yaml(path: Path) -> object:
    """What a YAML file holds: mappings, lists, texts, numbers; no object of any other kind.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not YAML in UTF-8; says where and why, on one line.
    """
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{place}{error.problem}") from None
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
    except (yaml.YAMLError, *_UNMADE) as error:
        raise ValueError(" ".join(str(error).split())) from None
