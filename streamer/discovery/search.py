"""Look for cameras: the probe, and then a conversation with each that answered."""

from __future__ import annotations

from streamer.discovery.cameras import FoundCamera
from streamer.discovery.probe import probe
from streamer.errors import SourceUnavailable


def find_cameras(
    seconds: float, interface: str | None = None, user: str | None = None, password: str | None = None
) -> tuple[list[FoundCamera], list[str]]:
    """The cameras that answer within ``seconds``, and notes about what could not be read.

    ``interface`` as for :func:`streamer.discovery.probe.probe`. Raises ``SourceUnavailable`` where the extra ``onvif`` is not
    installed and as ``probe`` does.
    """
    try:
        import defusedxml

        from streamer.discovery.onvif_device import describe
    except ImportError as error:
        raise SourceUnavailable(
            f"looking for cameras needs the extra onvif, which is not there ({error})", hint='pip install "streamer[onvif]"'
        ) from error
    del defusedxml  # it is only asked whether it is there; answers.py imports it for itself
    answers = probe(seconds, interface)
    return describe(answers.devices, user, password), answers.notes
