"""What MLflow runs when it loads a registered prompt ("models from code": nothing is pickled).

A copy of this file lies in every registered model; MLflow executes it when the model is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class Prompted(PythonModel):
    """Answers texts with the backbone and the prompt that the model was saved with."""

    def load_context(self, context: Any) -> None:
        """Remember what was saved with the model."""
        self.prompt, self.config = Path(context.artifacts["prompt"]), context.model_config

    def predict(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, context: Any, model_input: list[str]
    ) -> list[str]:
        """The answer to each text; MLflow has made a list of a frame or an array."""
        from mpt.serve.predict import predict

        return predict(self.prompt, self.config, model_input)


set_model(Prompted())
