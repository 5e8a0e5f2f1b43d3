"""The rows that a run reads, as MLflow's datasets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def dataset_inputs(data: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Convert ``DataSet`` records to MLflow's inputs, a dataset per task.

    MLflow's own classes of ``mlflow.data`` would need the rows themselves.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    return [
        DatasetInput(
            dataset=Dataset(
                name=one["name"],
                digest=one["digest"],
                source_type="mpt gym",
                source=json.dumps({"gym": one["source"]}),
                profile=json.dumps({"data seeds": one["seeds"]}),
            ),
            tags=[InputTag("mlflow.data.context", one["context"])],
        )
        for one in data
    ]
