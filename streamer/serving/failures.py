"""Why a request is not answered, whichever protocol it came by."""

from __future__ import annotations


class Busy(Exception):
    """Too much waits already, of this client or of all; the text says which."""


class Unknown(Exception):
    """There is no such model, version or region of memory; the text says which."""


class Failed(Exception):
    """The detector failed on a picture; the text is for the client, the reason is in the log."""
