"""The folder of a registered model: a prompt, the code that predicts with it, what that needs."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from packaging.version import Version

from mpt.config import located_in
from mpt.version import __version__

EXAMPLE = ("the cat sat on the mat",)
"""Inputs that show a model's users what it takes."""

_EXAMPLE, _REQUEST = "input_example.json", "serving_input_example.json"
_NEEDED = (
    "mlflow",
    "platformdirs",
    "pydantic",
    "safetensors",
    "sentencepiece",
    "torch",
    "transformers",
)
"""Packages that ``mpt.serve.predict`` imports."""


def save_model(folder: Path, *, prompt: Path, config: Mapping[str, Any]) -> None:
    """Write an MLflow model that predicts with a prompt: code, config and tensors, no pickle.

    It holds mpt's own code, which no package index has, so that it can be served anywhere.

    Args:
        folder: of the model; must not exist.
        prompt: the prompt's safetensors file.
        config: passed to ``mpt.serve.predict.predict`` when the model is loaded.
    """
    from mlflow.pyfunc import save_model

    backbone = located_in(config).name if "backbone" in config else ""
    with tempfile.TemporaryDirectory() as place:
        save_model(
            str(folder),
            python_model=str(files("mpt.serve") / "pyfunc_model.py"),
            artifacts={"prompt": str(prompt)},
            model_config=dict(config),
            code_paths=[str(_code(Path(place), with_weights=backbone == "mini"))],
            pip_requirements=requirements(backbone),
            metadata={"mpt": __version__},
        )
    _add_example(folder)


def requirements(backbone: str) -> list[str]:
    """Return the requirements of a model on a backbone, by the versions that are installed here.

    A version without its local part, as the ``+cpu`` of a build that indexes do not have.
    """
    extra = ("accelerate", "gguf") if backbone.endswith(".gguf") else ()
    return [f"{name}=={Version(version(name)).public}" for name in (*_NEEDED, *extra)]


def _code(folder: Path, *, with_weights: bool) -> Path:
    """Copy the package into ``folder``, the embedded backbone's weights only if they are needed."""
    unneeded = ["__pycache__"] if with_weights else ["__pycache__", "model.safetensors"]
    with_all = Path(str(files("mpt")))
    return Path(shutil.copytree(with_all, folder / "mpt", ignore=shutil.ignore_patterns(*unneeded)))


def _add_example(folder: Path) -> None:
    """Add an input example to a saved model.

    Given to ``save_model``, MLflow would predict with it, which loads the backbone.
    """
    from mlflow.models import Model

    (folder / _EXAMPLE).write_text(json.dumps(EXAMPLE), encoding="utf-8")
    (folder / _REQUEST).write_text(json.dumps({"inputs": EXAMPLE}), encoding="utf-8")
    model = Model.load(str(folder))
    model.saved_input_example_info = {
        "artifact_path": _EXAMPLE,
        "serving_input_path": _REQUEST,
        "type": "json_object",
    }
    model.save(str(folder / "MLmodel"))
