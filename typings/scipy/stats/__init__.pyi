from collections.abc import Sequence
from typing import NamedTuple

from numpy.typing import ArrayLike

class ConfidenceInterval(NamedTuple):
    low: float
    high: float

class TtestResult:
    statistic: float
    pvalue: float
    def confidence_interval(self, confidence_level: float = ...) -> ConfidenceInterval: ...

class PearsonRResult:
    statistic: float
    pvalue: float
    def __getitem__(self, at: int) -> float: ...

class _StudentT:
    def interval(
        self, confidence: float, df: float, loc: float = ..., scale: float = ...
    ) -> tuple[float, float]: ...
    def sf(self, x: float, df: float) -> float: ...

t: _StudentT

def pearsonr(x: ArrayLike, y: ArrayLike) -> PearsonRResult: ...
def ttest_1samp(a: Sequence[float], popmean: float) -> TtestResult: ...
