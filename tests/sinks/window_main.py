"""A program with a window, for tests: does what standard input says, and says how the window was when it is gone.

Commands: ``picture INDEX``, ``idle TEXT``, ``end``.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from pathlib import Path

from streamer.errors import StreamerError
from streamer.sinks.window import Window
from tests.sinks import moving


def main() -> int:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    try:
        window = Window(moving.info(320, 240), title="gate", figures=lambda: ["25.0 fps"], snapshots=Path(sys.argv[1]))
    except StreamerError as error:
        print(error, flush=True)
        return error.exit_code
    ended = threading.Event()

    def obey() -> None:
        for line in sys.stdin:
            command, _, argument = line.strip().partition(" ")
            if command == "picture":
                window.write(moving.item(int(argument), 320, 240))
            elif command == "idle":
                window.idle(argument)
            elif command == "end":
                ended.set()

    threading.Thread(target=obey, daemon=True).start()
    while not ended.is_set() and window.show_once():
        pass
    window.close()
    print(json.dumps({"frames": window.status().frames, "state": window.status().state, "told": ended.is_set()}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
