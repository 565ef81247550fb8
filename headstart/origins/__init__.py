"""Where features come from: of a backbone at a cut, or of several side by side."""
