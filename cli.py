"""The door from a clone: ``python cli.py sweep --method reptile`` is ``mpt sweep ...``."""

from __future__ import annotations

from mpt.commands.app import main

if __name__ == "__main__":
    main()
