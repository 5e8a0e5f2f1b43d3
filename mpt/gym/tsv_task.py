"""One task as CrossFit TSV files: ``<task>/<task>_<k>_<seed>_{train,dev,test}.tsv``.

One example per line: input, TAB, answer, further acceptable answers after further TABs; UTF-8, no
quoting, no header. Lines end at LF only: other separators that Python's ``splitlines`` knows (CR,
U+2028, U+0085...) are content inside an input. Blanks at a line's ends (including a CR before the
LF) and around answers are dropped: see ``Example.loaded``.

A line without a TAB, without an input or without an answer is an error, because some of the
authors' loaders skip it silently and others crash; so are an answer that contains a CR (a file
whose lines end in CR alone) and a NUL character (a file in UTF-16). Empty lines are skipped. A
file whose bytes are known (official MD5, or the record that ``mpt gym build`` leaves) is read as
the official loader reads it: a line without an input or an answer is skipped. One exception:
inputs of official files may contain LF, so a line without a TAB continues on the next one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path

from mpt.errors import DataError
from mpt.files.table import bytes_of
from mpt.gym.build.checksums import digest, file_name, official_md5, read_record
from mpt.gym.splits import PARTS, SEEDS, Example, FewShotSplit, Part, TaskCard

_FILE = re.compile(r"_(\d+|all)_(\d+)_(train|dev|test)\.tsv")


def read_tsv(path: Path, *, known: bool = False) -> tuple[Example, ...]:
    """Read the examples of one file.

    Args:
        path: the file.
        known: its bytes are the official or recorded ones, so lines without TAB are continued.

    Raises:
        DataError: unreadable, not UTF-8, empty, or an invalid line; names the file and line.
    """
    return parse_tsv(bytes_of(path), path, known=known)


def parse_tsv(content: bytes, path: Path, *, known: bool) -> tuple[Example, ...]:
    """Read examples as ``read_tsv`` does, from bytes; ``path`` only appears in errors."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}:{line}: not UTF-8",
            fix="save the file in that encoding",
        ) from None
    lines = text.removesuffix("\n").split("\n") if text else []
    examples = tuple(_examples(lines, path, known))
    if not examples:
        raise DataError(
            f"{path}: holds no example",
            fix="each file needs at least one line",
        )
    return examples


def _examples(lines: list[str], path: Path, known: bool) -> Iterator[Example]:
    begun = ""
    for number, line in enumerate(lines, start=1):
        text, *answers = (begun + line).split("\t")
        if not answers and known and number < len(lines):
            begun += line + "\n"
            continue
        if not answers and not line.strip() and not begun:
            continue
        begun = ""
        try:
            if not answers:
                raise ValueError("no tab between input and target")
            example = Example.loaded(text, answers)
            if not known:
                _check(line, example)
        except ValueError as error:
            if known and answers:
                continue  # as the official loader does
            raise DataError(
                f"{path}:{number}: {error} in {line[:40]!r}",
                fix="write one example per line as input<TAB>answer",
            ) from None
        yield example


def _check(line: str, example: Example) -> None:
    """Raise ``ValueError`` for traces of another encoding or other line ends."""
    if "\0" in line:
        raise ValueError("a NUL character (is the file UTF-16? save it as UTF-8)")
    if any("\r" in answer for answer in example.targets):
        raise ValueError("a carriage return inside an answer (save the file with LF line ends)")


@dataclass(frozen=True)
class TsvTask:
    """One task's folder of split files, read on demand."""

    folder: Path
    facts: TaskCard
    shots: int | str
    _test: dict[str, tuple[Example, ...]] = field(default_factory=dict, repr=False)

    @property
    def size(self) -> int:
        """Return the size of the test set in bytes."""
        return self.path(SEEDS[0], "test").stat().st_size

    def path(self, seed: int, part: str) -> Path:
        """Return the path of a part's file."""
        return self.folder / file_name(self.facts.task, self.shots, seed, part)

    def split(self, seed: int) -> FewShotSplit:
        """Return the examples under ``seed``. Raises ``DataError``."""
        train, dev, test = (self._part(seed, part) for part in PARTS)
        return FewShotSplit(self.facts.task, self.facts.metric, seed, train, dev, test)

    def _part(self, seed: int, part: Part) -> tuple[Example, ...]:
        path = self.path(seed, part)
        content = bytes_of(path)
        md5 = digest(content)
        if part == "test" and md5 in self._test:  # the five seeds share one test set
            return self._test[md5]
        examples = parse_tsv(content, path, known=self._sums.get(path.name) == md5)
        if part == "test":
            self._test[md5] = examples
        return examples

    @cached_property
    def _sums(self) -> Mapping[str, str]:
        return {**official_md5(self.facts.task, self.shots), **read_record(self.folder).files}


def find_tsv_task(folder: Path, facts: TaskCard, shots: int | str | None = None) -> TsvTask:
    """Find the split files of ``facts.task`` in ``folder``.

    Args:
        folder: the folder of the files.
        facts: the task; its ``shots`` are replaced by those of the files.
        shots: which k to read; by default the only one present, or else the task's k.

    Raises:
        DataError: no file of that k, several k but not the task's, or a file is missing.
    """
    names = {path.name for path in folder.iterdir()}
    k = _shots_in(folder, names, facts, shots)
    expected = [file_name(facts.task, k, *at) for at in product(SEEDS, PARTS)]
    missing = [name for name in expected if name not in names]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(
            f"{folder} lacks {missing[0]}{more}",
            fix=(
                "a task needs train, dev and test for the seeds "
                f"{', '.join(map(str, SEEDS))}: add them, rebuild the task, or move the folder away"
            ),
        )
    return TsvTask(folder, facts if isinstance(k, str) else replace(facts, shots=k), k)


def _shots_in(
    folder: Path, names: Collection[str], facts: TaskCard, wanted: int | str | None
) -> int | str:
    """Return the k to read: the wanted one, or the only one present, or else the task's."""
    matches = (_FILE.fullmatch(name.removeprefix(facts.task)) for name in sorted(names))
    present = sorted({match[1] for match in matches if match})
    k = wanted or (present[0] if len(present) == 1 else facts.shots)
    if str(k) not in present:
        files = f"files for k = {', '.join(present)}" if present else "no split files"
        raise DataError(
            f"{folder} holds {files}, not for k = {k}",
            fix=(
                "expected "
                f"{file_name(facts.task, k, SEEDS[0], 'train')} and so on (for one of CrossFit's "
                f"tasks: `mpt gym build {facts.task} --shots {k} --out {folder.parent}`)"
            ),
        )
    return "all" if k == "all" else int(k)
