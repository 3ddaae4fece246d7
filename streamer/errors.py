"""The errors that streamer raises on purpose, as one tree.

::

    StreamerError                   exit code 1
    ├── ConfigError                 a setting is wrong; change it and start again (exit code 2; also a ValueError)
    │   ├── OutputRefused           OUTPUT exists, is the input, or cannot be of that kind (exit code 2)
    │   └── RecordsDiffer           the records are of another recording; give the one that they are of (exit code 2)
    ├── SourceError
    │   ├── SourceUnavailable       nothing there, or it does not answer; check the address, try again later
    │   │   └── SourceNotFound      the path does not exist or is a folder; check the arguments (exit code 2)
    │   ├── SourceAuthFailed        user or password refused; mend the credentials
    │   ├── SourceTimeout           it went silent (also a TimeoutError); try again
    │   ├── SourceUnsupported       it is there, but no video that can be decoded; give another
    │   └── SourceLost              it was running and went away; reconnect
    ├── DetectorError
    │   ├── DetectorUnavailable     cannot be found, loaded or verified; mend the model's files
    │   │   ├── DetectorAway        its server does not answer; start it, or try again later
    │   │   └── ModelRefused        the file or folder is no model that can be used; name another (exit code 2)
    │   ├── DetectorBusy            its server has too much to do; try again later
    │   ├── DetectorContractError   it answered with something else than promised; names expected and actual
    │   └── DetectorTimeout         it does not come back
    ├── SinkError
    │   ├── EncoderUnavailable      this encoder does not open here; choose another (exit code 2)
    │   └── OutputWriteFailed       disk full, peer gone, file not writable
    ├── ClusterUnavailable          no Ray cluster there, or it went away; check the address and that its head runs
    ├── DeliveryError
    │   ├── TargetUnavailable       a broker or receiver takes nothing now; messages wait and are sent again
    │   └── MessageRefused          it does not want this one message, which is kept as a dead letter
    └── StageFailed                 a stage of a running pipeline failed; ``__cause__`` is the reason

Every error carries a ``hint``: the next step, in the words of the person who has to take it. ``str(error)`` is one line
that holds both, without credentials.
"""

from __future__ import annotations


class StreamerError(Exception):
    """Base of all errors that streamer raises on purpose."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        """What happened, naming the thing; one line."""
        self.hint = hint
        """What to do next; may be empty."""

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class ConfigError(StreamerError, ValueError):
    """A setting is wrong: nothing was started."""

    exit_code = 2


class OutputRefused(ConfigError):
    """OUTPUT may not, or cannot, be written as asked."""


class RecordsDiffer(ConfigError):
    """Records and recording do not belong together."""


class SourceError(StreamerError):
    """Anything that goes wrong with a source."""


class SourceUnavailable(SourceError):
    """Nothing is there, or it does not answer."""


class SourceNotFound(SourceUnavailable):
    """The named input does not exist or is no file: a mistake in the arguments."""

    exit_code = 2


class SourceAuthFailed(SourceError):
    """User or password were refused."""


class SourceTimeout(SourceError, TimeoutError):
    """The source went silent."""


class SourceUnsupported(SourceError):
    """It is there, but it holds no video that can be decoded."""


class SourceLost(SourceError):
    """It was running and went away."""


class DetectorError(StreamerError):
    """Anything that goes wrong with a detector."""


class DetectorUnavailable(DetectorError):
    """The detector cannot be found, loaded or verified."""


class DetectorAway(DetectorUnavailable):
    """The detector's server does not answer: it may come, or come back."""


class ModelRefused(DetectorUnavailable):
    """The file or folder that was named is no model that can be used: a mistake in the arguments, or in the file."""

    exit_code = 2


class DetectorBusy(DetectorError):
    """The detector's server has too much to do just now."""


class DetectorContractError(DetectorError):
    """The detector answered with something else than its contract promises."""


class DetectorTimeout(DetectorError, TimeoutError):
    """The detector does not come back."""


class SinkError(StreamerError):
    """Anything that goes wrong with an output."""


class EncoderUnavailable(SinkError):
    """This encoder does not exist or does not open on this machine."""

    exit_code = 2


class OutputWriteFailed(SinkError):
    """Writing stopped: disk full, peer gone, permission lost."""


class ClusterUnavailable(StreamerError):
    """The Ray cluster cannot be joined, or has gone."""


class DeliveryError(StreamerError):
    """A message about an event did not reach its target."""


class TargetUnavailable(DeliveryError):
    """The target does not take messages now."""

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s
        """Seconds for which the target asks not to be tried again."""


class MessageRefused(DeliveryError):
    """The target will never take this message."""


class StageFailed(StreamerError):
    """A stage of a running pipeline failed; ``__cause__`` holds the reason."""

    def __init__(self, stage: str, cause: BaseException) -> None:
        super().__init__(f"{stage} failed: {in_one_line(cause)}")
        self.stage = stage
        """Name of the stage: ``capture``, ``inference``, ``render``, or a sink's name."""
        self.__cause__ = cause
        if isinstance(cause, StreamerError):
            self.exit_code = cause.exit_code


def in_one_line(error: BaseException) -> str:
    """What happened: the message of an error of this tree, type and message of any other. It may hold credentials."""
    text = " ".join(str(error).split())
    if isinstance(error, StreamerError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
