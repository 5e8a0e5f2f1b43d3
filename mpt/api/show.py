"""What stands behind a number: the unit of a digest, its prompt and its runs in MLflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mpt.store.home import Home
from mpt.store.ledger import open_ledger
from mpt.store.results import DamagedResult
from mpt.store.row_checks import fault_of
from mpt.tracking.provenance import Origin, find_unit, origin

if TYPE_CHECKING:
    from mpt.serve.prompt_view import PromptView
    from mpt.store.ledger import Ledger
    from mpt.store.unit import Unit


@dataclass(frozen=True)
class Shown:
    """A unit of work and what lies beside it.

    Attributes:
        unit: its configuration, state and result.
        origin: its prompt's file and its MLflow runs.
        fault: what is damaged in the ledger's row, if anything.
        view: a look into its prompt, if one was asked for.
    """

    unit: Unit
    origin: Origin
    fault: str
    view: PromptView | None

    @property
    def result(self) -> dict[str, object]:
        """What the unit came to, without its curve and without how it was computed."""
        made = self.unit.result
        apart = set() if isinstance(made, DamagedResult) else {"software", "numerics"}
        return made.stored(without=frozenset({"curve", *apart}))


def show(digest: str, *, prompt: bool = False) -> Shown:
    """Find the unit of work behind a digest.

    Args:
        digest: of a report, a trial or a cell; also its first digits.
        prompt: look into its prompt as well: norms, nearest tokens, way from its start.

    Raises:
        UnknownName: no unit's digest begins so; near misses are named.
        InputError: several do.

    Example::

        mpt.show(search.best.digest).unit.config
    """
    home = Home.find()
    with open_ledger(home) as ledger:
        unit = find_unit(ledger, digest)
        view = _view(unit, home, ledger) if prompt else None
    return Shown(unit, origin(unit, home), fault_of(unit) or "", view)


def _view(unit: Unit, home: Home, ledger: Ledger) -> PromptView:
    # torch takes seconds to import, and the rest needs none of it
    from mpt.backbone.load import load_backbone
    from mpt.compute.prompt_starts import sums_of
    from mpt.config import located
    from mpt.serve.prompt_view import learned_by, view_prompt

    config = learned_by(unit)
    return view_prompt(unit, load_backbone(located(config)), home, sums_of([config], ledger))
