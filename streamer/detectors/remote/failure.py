"""How asking a server fails, whichever protocol it is."""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """What the failure means for the next question."""

    AWAY = "away"
    """Nobody answers, or not completely; it may come back."""
    SLOW = "slow"
    """No answer within the deadline."""
    BUSY = "busy"
    """It has too much to do just now."""
    NO_MODEL = "no model"
    """It does not know the model, or has not loaded it yet."""
    REFUSED = "refused"
    """The token is missing or wrong, or the certificate is not trusted."""
    BAD = "bad"
    """It does not take what it was sent, or cannot work on it."""


NO_CERTIFICATE = "it wants a certificate of its clients"
"""What is said of a server that knows its clients by their certificates."""


class Failure(Exception):
    """A question without an answer; the text is the server's, or the system's, in one line."""

    def __init__(self, kind: Kind, text: str) -> None:
        super().__init__(" ".join(text.split())[:300])
        self.kind = kind
