"""Writes the goldens of the reduced network from the official PyTorch implementations.

    python golden.py --sam2 CHECKOUT --samurai CHECKOUT

For every module, and for 40 tracked frames under the rules of SAM 2 and of SAMURAI, it stores whole tensors beside this
file. Each module runs twice on the same float32 inputs: in float64, which is the golden, and in float32, whose largest
distance from it is the naive error that an honest float32 implementation may be expected to make. Tracked frames run
in float32, as the reference does, and again in float64, which says how far apart two honest runs are.

Both checkouts call their package sam2, so each runs in a process of its own.
"""

import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--sam2", required=True, help="checkout of facebookresearch/sam2")
    p.add_argument("--samurai", required=True, help="checkout of yangchris11/samurai")
    args = p.parse_args()
    jobs = [("golden_modules.py", args.sam2), ("golden_tracks.py", args.sam2), ("golden_tracks.py", args.samurai)]
    for script, checkout in jobs:
        subprocess.run([sys.executable, os.path.join(HERE, script), checkout], check=True)


if __name__ == "__main__":
    main()
