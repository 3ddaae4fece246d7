"""The start of a command without a search for plugins of pydantic in each package that is installed."""

from __future__ import annotations

import os


def look_for_no_plugins() -> None:
    """Have pydantic load none, in this process and its children; before it is imported. A user's own setting stays."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
