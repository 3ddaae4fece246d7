"""Every figure of the README and the docs, one after the other: ``make bench``, or ``python -m benchmarks [NAME …]``.

``python -m benchmarks NAME --OPTION …`` hands one benchmark its own options; ``NAME --help`` says which they are.
"""

from __future__ import annotations

import itertools
import shlex
import subprocess
import sys

from benchmarks.measure import OUT, SAMPLES, machine

PEDESTRIANS = str(SAMPLES / "pedestrians.mp4")
TRUTH = str(SAMPLES / "pedestrians.gt.txt")
COMMANDS: dict[str, tuple[str, ...]] = {
    "render": ("render",),
    "privacy": ("privacy",),
    "line": ("annotate", "line"),
    "again": ("annotate", "again"),
    "nanodet": ("annotate", "nanodet"),
    "detector": ("detector",),
    "hub": ("hub",),
    "exported": ("exported",),
    "resources": ("resources",),
    "following": ("following",),
    "accuracy": ("streaming_accuracy", PEDESTRIANS, "--detector", "nanodet", "--class", "person", "--truth", TRUTH),
    "identities": ("identities",),
    "zones": ("zones",),
    "counting": ("counting",),
    "motion_gate": ("motion_gate",),
    "synthetic": ("streaming_accuracy", "test:"),
    "datasets": ("datasets",),
    "live": ("live",),
    "record": ("record",),
    "delivery": ("delivery",),
    "kills": ("kills",),
    "archive": ("archive",),
    "archive_kills": ("archive_kills",),
    "ray": ("ray_cluster",),
    "wall": ("wall",),
    "web": ("web",),
    "web_visitors": ("web_visitors",),
    "remote": ("remote",),
    "scaling": ("scaling",),
}


def main(arguments: list[str]) -> int:
    names = list(itertools.takewhile(lambda argument: not argument.startswith("-"), arguments))
    options = arguments[len(names) :]
    if not names and options in (["-h"], ["--help"]):
        print(f"{__doc__}\nNAME is one of {', '.join(COMMANDS)}")
        return 0
    unknown = set(names) - set(COMMANDS)
    if unknown:
        print(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    if options and len(names) != 1:
        print(f"{options[0]} is an option of one benchmark: name it, and no other, in front of it", file=sys.stderr)
        return 2
    OUT.mkdir(exist_ok=True)
    print(machine(), flush=True)
    failed = {}
    for name in names or COMMANDS:
        module, *own = COMMANDS[name]
        own += options
        print(f"\n== {name}: python -m benchmarks.{shlex.join([module, *own])}", flush=True)
        if code := subprocess.run([sys.executable, "-m", f"benchmarks.{module}", *own], check=False).returncode:
            failed[name] = code
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return max(map(abs, failed.values()), default=0)


sys.exit(main(sys.argv[1:]))
