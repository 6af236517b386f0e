"""MLflow: one of its runs for each of ours, found again by a tag; where to is said by MLFLOW_TRACKING_URI."""

import os
import re
import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gantry.files import canonical_json
from gantry.watching.base import WatchedRun, Watcher

TAG = "gantry_identity"
# What MLflow allows in names.
OTHERS = re.compile(r"[^\w\-./ ]", re.ASCII)


class Service(Watcher):
    """One run of an experiment; the iteration is its step."""

    def __init__(self, run: WatchedRun, part: str, resumed_at: int) -> None:
        import mlflow
        from mlflow.entities import Metric

        self.metric = Metric
        self.client = mlflow.MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "gantry")
        experiment = self.client.get_experiment_by_name(name)
        place = self.client.create_experiment(name) if experiment is None else experiment.experiment_id
        found = self.client.search_runs([place], f"tags.{TAG} = '{run.identity}'", max_results=1)
        if found:
            self.run = found[0].info.run_id
        else:
            tags = {TAG: run.identity, "spec": canonical_json(dict(run.spec))[:5000]}
            self.run = self.client.create_run(place, run_name=run.name, tags=tags).info.run_id

    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        told = [self.metric(OTHERS.sub("_", name), value, now, iteration) for name, value in values.items()]
        self.client.log_batch(self.run, metrics=told)

    def picture(self, iteration: int, name: str, image: NDArray[np.uint8]) -> None:
        self.client.log_image(self.run, image, key=OTHERS.sub("_", name).replace("/", "-"), step=iteration)

    def close(self) -> None:
        self.client.set_terminated(self.run)
