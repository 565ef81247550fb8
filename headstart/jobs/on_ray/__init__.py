"""Jobs whose workers are actors of Ray, and trials that are its tasks."""

from headstart.jobs.on_ray.executor import RayExecutor
from headstart.jobs.on_ray.trials import RayTrials

__all__ = ["RayExecutor", "RayTrials"]
