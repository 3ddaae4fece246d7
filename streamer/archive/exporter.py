"""Exporting the records of one recording after the other, in a process of an archive."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

from streamer.archive.messages import Came, Failed, Finished
from streamer.archive.task import Work
from streamer.config.export import ExportConfig
from streamer.datasets.export import export
from streamer.errors import StreamerError, in_one_line
from streamer.redact import redact
from streamer.sinks.atomic import make_folder


class Exporter:
    """Implements ``task.Doer``."""

    def work(self, work: Work[ExportConfig], _: Callable[[Came], object]) -> Finished | Failed:
        """What became of the records."""
        settings = work.task.settings
        try:
            make_folder(settings.output.parent)
            done = export(
                settings.input,
                settings.output,
                settings.to,
                video=settings.video,
                every=settings.every,
                overwrite=settings.overwrite,
            )
        except StreamerError as error:
            return Failed(redact(str(error)))
        except Exception as error:  # noqa: BLE001  # a fault of ours at one of them must not end the others
            sys.stderr.write(redact(traceback.format_exc()))
            return Failed(redact(in_one_line(error)))
        return Finished(done.frames, (str(settings.output),), done.notes)
