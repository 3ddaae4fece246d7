"""The ``streamer`` command, also as ``python -m streamer``."""

import signal


def main() -> None:
    """Run the command.

    Ctrl-C while its code is loaded, when nothing is begun, ends it by the signal, as it ends other programs: Python would show
    how far it had come in loading.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from streamer.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
