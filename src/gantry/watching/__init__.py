"""For those who watch: losses, scores and samples in TensorBoard, Weights & Biases and MLflow, as the run goes on.

What is written here changes no result, and nothing reads it back. Each service is one file around its own library.
"""

from gantry.watching.base import SERVICES, WatchedRun, Watcher, Watchers, open_watchers

__all__ = ["SERVICES", "WatchedRun", "Watcher", "Watchers", "open_watchers"]
