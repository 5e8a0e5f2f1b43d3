"""What a search knows of its own ranking, as it is logged with the study."""

from __future__ import annotations

from mpt.api.work.session import Session
from mpt.lab.race import recorded_race
from mpt.lab.search_noise import search_reliability
from mpt.lab.tracked.knowledge import SearchKnowledge
from mpt.report.search_words import search_lines
from mpt.search.search import Search


def knowledge(title: str, session: Session) -> SearchKnowledge:
    """Return what is known of the ranking of a study's trials, in numbers and in words."""
    ledger, search = session.lab.ledger, Search.load(session.home, title)
    reliability = search_reliability(search, ledger)
    race = recorded_race(title, search.trials, ledger)
    return SearchKnowledge(reliability, race, search_lines(reliability, race))
