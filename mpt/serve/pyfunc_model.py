"""Model that MLflow loads for a registered prompt ("models from code": nothing is pickled).

Every registered model contains a copy of this file, which MLflow executes on loading.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class PromptedModel(PythonModel):
    """Answer texts with the backbone and the prompt that the model was saved with."""

    def load_context(self, context: Any) -> None:
        """Read what was saved with the model, and load the backbone by a first answer.

        MLflow's server gives a request a minute, which loading in the first one can exceed.
        """
        self.prompt, self.config = Path(context.artifacts["prompt"]), context.model_config
        self.predict(context, ["the first answer"])

    def predict(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, context: Any, model_input: list[str]
    ) -> list[str]:
        """Return the answer to each text; MLflow converts data frames and arrays to lists."""
        from mpt.serve.predict import predict

        return predict(self.prompt, self.config, model_input)


set_model(PromptedModel())
