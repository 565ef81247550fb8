"""Windows of long samples: sounds, texts, series and videos, a medium each."""
