"""Every figure of the README and the docs, one after the other: ``make bench``, or ``python -m benchmarks [NAME …]``."""

from __future__ import annotations

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


def main(names: list[str]) -> int:
    unknown = set(names) - set(COMMANDS)
    if unknown:
        print(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    OUT.mkdir(exist_ok=True)
    print(machine(), flush=True)
    failed = []
    for name in names or COMMANDS:
        module, *arguments = COMMANDS[name]
        print(f"\n== {name}: python -m benchmarks.{' '.join([module, *arguments])}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{module}", *arguments], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
