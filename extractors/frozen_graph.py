"""What is imported before `keras.saving.load_model` loads a model that holds a frozen graph."""

from headstart.extractors.backbones.frozen_graph import FrozenGraph

__all__ = ["FrozenGraph"]
