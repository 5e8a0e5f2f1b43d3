"""Ways to learn an initial prompt: the one table of methods, each a pure function in its own file.

An equation is a function ``(phi, support, query, loss, alpha, **own) -> MetaGradient``. It knows no
model, gym, optimiser or tracker, and runs in a pack never mix. ``METHODS`` is read without torch:
equations are named by where they lie and imported when a run first needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pkgutil import resolve_name
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mpt.errors import UnknownName

if TYPE_CHECKING:
    from torch import Tensor

    from mpt.methods.inner import MetaGradient

    Equation: TypeAlias = Callable[..., MetaGradient]
    Beginning: TypeAlias = Callable[[Tensor], Mapping[str, Tensor]]

AUTO = "auto"
"""The engine that is chosen by the memory that there is."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A way to compute a method's direction. All are exact, so that none is part of a digest.

    Attributes:
        equation: the function, or where it lies, as in ``Method``.
        keeps_graph: whether the graph of all inner steps lies in memory at once.
        fallback: the engine that takes its place where memory is short.
    """

    equation: Equation | str
    keeps_graph: bool = False
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class Arg:
    """A hyper-parameter of a method's own, above zero.

    Attributes:
        default: a float is one number per run, which the equation reads as ``[R, 1, 1]``; a whole
            number is read as it is, and shared by the runs of a pack.
        summary: for people.
    """

    default: float | int
    summary: str


@dataclass(frozen=True, slots=True)
class Revision:
    """That a method is computed otherwise than at first, so that earlier results do not count.

    Attributes:
        number: part of a run's digest; the first formula has none, the second one 2.
        why: what was wrong, for people.
    """

    number: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A row of the table: all that is known of a method outside of its equation.

    Attributes:
        equation: its direction: the function, or where it lies as ``module:name``.
        label: its name as it is printed.
        summary: what it does in a few words, for `mpt sweep --help`.
        colour, marker: of its points in figures, as matplotlib takes them.
        support: whether inner batches are drawn (from a unit's train set).
        query: where outer batches come from: the same unit's ``dev`` set, all units' train and
            dev sets ``pooled``, or ``none``.
        order: how often the loss is differentiated; 2 needs one whose gradient has a gradient.
        engines: ways to compute the direction among which there is a choice, by the names that
            ``--meta-engine`` takes, the preferred one first; without any there is the equation.
        space: what is searched when no study file says otherwise, as its key ``space``.
        args: hyper-parameters of its own, the study file's ``method_args``; the equation takes
            them by name.
        learned: what is learned beside the prompt: a function of phi ``[R, P, H]``, or where it
            lies, that returns tensors ``[R, ...]`` by name. The equation takes them by name, and
            returns their directions as ``MetaGradient.learned``.
        habits: how the paper's authors ran it where that is not mpt's own way, as keys of
            ``mpt.config.Habits``.
        revision: set when its formula was mended.
    """

    equation: Equation | str
    label: str
    summary: str
    colour: str
    marker: str
    support: bool
    query: Literal["dev", "pooled", "none"]
    space: Mapping[str, object]
    order: Literal[1, 2] = 1
    engines: Mapping[str, Engine] = field(default_factory=dict[str, Engine])
    args: Mapping[str, Arg] = field(default_factory=dict[str, Arg])
    learned: Beginning | str | None = None
    habits: Mapping[str, object] = field(default_factory=dict[str, object])
    revision: Revision | None = None

    @property
    def gradient(self) -> Equation:
        """The equation, imported."""
        return _imported(self.equation)

    def by(self, engine: str) -> Equation:
        """Return its equation by one of its engines; by any other name it is ``gradient``."""
        return _imported(self.engines[engine].equation) if engine in self.engines else self.gradient

    def begin(self, phi: Tensor) -> Mapping[str, Tensor]:
        """Return what is learned beside the prompts ``[R, P, H]``, before the first step."""
        return {} if self.learned is None else _imported(self.learned)(phi)

    def counts(self, name: str) -> bool:
        """Whether an argument of this name is a whole number."""
        return name in self.args and isinstance(self.args[name].default, int)

    def arguments(self, given: Mapping[str, float]) -> dict[str, float | int]:
        """Return every argument, the given ones over the defaults; other keys are not looked at.

        Raises:
            ValueError: a fraction where a whole number is wanted.
        """
        values = dict[str, float | int]()
        for name, arg in self.args.items():
            value = given.get(name, arg.default)
            if self.counts(name) and value != int(value):
                raise ValueError(f"{name!r} is {value}; give a whole number")
            values[name] = type(arg.default)(value)
        return values


def _space(inner_steps: list[int], outer_steps: list[int], **args: object) -> Mapping[str, object]:
    """The usual rates, steps by which a trial of any method costs about the same, and arguments."""
    space = {
        "inner_lr": {"low": 0.1, "high": 10.0},
        "outer_lr": {"low": 0.03, "high": 0.5},
        "inner_steps": inner_steps,
        "outer_steps": outer_steps,
    }
    return MappingProxyType({**space, "method_args": args} if args else space)


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "maml": Method(
            equation="mpt.methods.maml:maml",
            label="MAML",
            summary="the gradient through every inner step (Finn et al. 2017)",
            colour="#0072B2",
            marker="o",
            support=True,
            query="dev",
            order=2,
            engines={
                "graph": Engine("mpt.methods.maml:maml", keeps_graph=True, fallback="recursion"),
                "recursion": Engine("mpt.methods.maml:maml_by_recursion"),
                "higher": Engine("mpt.methods.by_higher:maml_by_higher", keeps_graph=True),
            },
            space=_space([1, 2], [30, 60]),
            habits={"max_target": 64, "meta_batch": "sum"},
        ),
        "fomaml": Method(
            equation="mpt.methods.maml:fomaml",
            label="FoMAML",
            summary="its first order: the inner steps count as constant",
            colour="#D55E00",
            marker="s",
            support=True,
            query="dev",
            space=_space([1, 2], [60, 120]),
            habits={"max_target": 64, "meta_batch": "sum"},
        ),
        "reptile": Method(
            equation="mpt.methods.reptile:reptile",
            label="Reptile",
            summary="towards where the inner steps lead (Nichol et al. 2018)",
            colour="#009E73",
            marker="^",
            support=True,
            query="none",
            space=_space([2, 4], [30, 60]),
            habits={"max_target": 64, "draws": "replacement"},
            revision=Revision(
                2,
                "its direction was a difference of prompts, which float32 rounds, and is now exact",
            ),
        ),
        "mtl": Method(
            equation="mpt.methods.mtl:mtl",
            label="MTL",
            summary="plain training on the pooled source tasks",
            colour="#CC79A7",
            marker="D",
            support=False,
            query="pooled",
            space=_space([1], [100, 200]),
            habits={"pooled": "epochs"},
        ),
        "metasgd": Method(
            equation="mpt.methods.metasgd:metasgd",
            label="Meta-SGD",
            summary="MAML that learns an inner rate for every prompt row (Li et al. 2017)",
            colour="#332288",
            marker="p",
            support=True,
            query="dev",
            order=2,
            engines={
                "graph": Engine(
                    "mpt.methods.metasgd:metasgd", keeps_graph=True, fallback="recursion"
                ),
                "recursion": Engine("mpt.methods.metasgd:metasgd_by_recursion"),
            },
            space=_space([1, 2], [30, 60]),
            learned="mpt.methods.metasgd:begin",
        ),
        "imaml": Method(
            equation="mpt.methods.imaml:imaml",
            label="iMAML",
            summary="MAML by the implicit function theorem (Rajeswaran et al. 2019)",
            colour="#5A5A5A",
            marker="H",
            support=True,
            query="dev",
            order=2,
            args={
                "strength": Arg(1.0, "lambda, how strongly the inner loop is held to phi"),
                "cg_steps": Arg(3, "steps of conjugate gradients"),
            },
            # an update costs about three of MAML's
            space=_space([2, 3], [15, 30], strength={"low": 0.1, "high": 10.0}),
        ),
    }
)


def method(name: str) -> Method:
    """Return the method called ``name``. Raises ``UnknownName`` with the nearest one."""
    try:
        return METHODS[name]
    except KeyError:
        raise UnknownName("method", name, METHODS) from None


def revision(name: str) -> int | None:
    """Return the number of a method's formula, where it is not its first."""
    known = method(name).revision
    return known.number if known else None


def engine_names() -> tuple[str, ...]:
    """Return every engine that some method has, ``auto`` first."""
    names = (name for known in METHODS.values() for name in known.engines)
    return tuple(dict.fromkeys((AUTO, *names)))


def _imported(function: Callable[..., Any] | str) -> Callable[..., Any]:
    return _at(function) if isinstance(function, str) else function


@cache
def _at(place: str) -> Callable[..., Any]:
    return resolve_name(place)
