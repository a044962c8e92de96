"""Make the synthetic Xianning: the committed sample, or a city of any size for benchmarks.

    python data/samples/generate.py                                   # rewrites the sample
    python data/samples/generate.py --scale 1 --out DIR [--layers land_parcel,building]

Both are deterministic by ``--seed``.
"""

import argparse
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from city.benchmark import LAYERS, write_city  # noqa: E402 - the folder is not installed
from city.sample import write_sample  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Make the synthetic Xianning.")
    parser.add_argument("--seed", type=int, default=7, help="another seed, another city")
    parser.add_argument("--out", type=Path, help="folder to write into")
    parser.add_argument("--scale", type=float, help="a benchmark city; 1 is a million parcels")
    parser.add_argument("--layers", default=",".join(LAYERS), help="layers of the benchmark city")
    options = parser.parse_args(arguments)
    chosen = tuple(name for name in options.layers.split(",") if name)
    unknown = sorted(set(chosen) - set(LAYERS))
    if options.scale is not None and (options.out is None or options.scale <= 0 or unknown):
        parser.error(f"--scale N needs N > 0, --out DIR, and layers of {', '.join(LAYERS)}")
    started = time.monotonic()
    if options.scale is not None:
        for layer, rows in write_city(options.scale, options.out, options.seed, chosen).items():
            sys.stdout.write(f"{layer}: {rows:,} rows\n")
    else:
        paths = write_sample(options.out or HERE, options.seed)
        size = sum(path.stat().st_size for path in paths)
        sys.stdout.write(f"{len(paths)} files, {size / 1e6:.2f} MB in {paths[0].parent}\n")
    sys.stdout.write(f"{time.monotonic() - started:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
