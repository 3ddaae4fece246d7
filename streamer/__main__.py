"""``python -m streamer``: the same as the ``streamer`` command."""

from streamer.cli.app import main

main()
