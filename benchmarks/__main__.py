"""`make bench`: each figure is one line of JSON on stdout; progress goes to stderr. `python -m benchmarks NAME…` runs some of them."""

import importlib
import json
import sys
import time

NAMES = ("matching", "throughput", "start", "latency")


def main() -> int:
    chosen = sys.argv[1:] or list(NAMES)
    if unknown := [name for name in chosen if name not in NAMES]:
        sys.stderr.write(f"There is no benchmark {', '.join(unknown)}: choose from {', '.join(NAMES)}.\n")
        return 2
    for name in chosen:
        began = time.monotonic()
        sys.stderr.write(f"{name} …\n")
        for figure in importlib.import_module(f"benchmarks.{name}").figures():
            sys.stdout.write(json.dumps({"benchmark": name, **figure}) + "\n")
            sys.stdout.flush()
        sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
