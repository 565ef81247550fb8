"""The screens, one module each: its `ROUTES`, and the `SCREEN` that stands in the navigation."""
