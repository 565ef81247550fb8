"""The collections of a workspace: `ws.backbones`, `ws.datasets`, `ws.heads`, `ws.cache`."""
