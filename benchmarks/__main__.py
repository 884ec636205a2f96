"""`make bench`: each figure is one line of JSON on stdout; progress goes to stderr. `python -m benchmarks NAME…` runs some of them,
`python -m benchmarks NAME --option …` one with its options, where it has any."""

import gc
import importlib
import json
import sys
import time

NAMES = ("matching", "throughput", "start", "latency", "paging", "mllp")


def main() -> int:
    options = next((sys.argv[place:] for place, word in enumerate(sys.argv) if word.startswith("--")), [])
    chosen = sys.argv[1 : len(sys.argv) - len(options)] or list(NAMES)
    if unknown := [name for name in chosen if name not in NAMES]:
        sys.stderr.write(f"There is no benchmark {', '.join(unknown)}: choose from {', '.join(NAMES)}.\n")
        return 2
    for name in chosen:
        began = time.monotonic()
        sys.stderr.write(f"{name} …\n")
        made = importlib.import_module(f"benchmarks.{name}")
        for figure in made.figures(options) if options else made.figures():
            sys.stdout.write(json.dumps({"benchmark": name, **figure}) + "\n")
            sys.stdout.flush()
        sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
    gc.unfreeze()  # what a matcher froze when it had loaded: DuckDB complains at the end of what is never collected
    return 0


if __name__ == "__main__":
    sys.exit(main())
