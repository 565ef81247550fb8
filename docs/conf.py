"""Sphinx: the narrative pages as they are, and the API reference from the docstrings."""

from __future__ import annotations

import importlib.metadata

project = "Headstart"
copyright = "the Headstart authors"
release = importlib.metadata.version("headstart")
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"Headstart {release}"
# The pages are read on GitHub as well: links between them are relative paths to files.
myst_heading_anchors = 3
autodoc_member_order = "bysource"
# A field is told once: in the section `Attributes` of its class.
napoleon_use_ivar = True
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_class_signature = "separated"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
maximum_signature_line_length = 90
