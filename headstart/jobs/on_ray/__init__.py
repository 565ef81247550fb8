"""Jobs whose workers are actors of Ray."""

from headstart.jobs.on_ray.executor import RayExecutor

__all__ = ["RayExecutor"]
