"""Compares the masks of two runs of a pipeline, as the stage dump wrote them.

    iou.py A.safetensors B.safetensors [--least 0.99]

Prints one JSON object: for the masks that were chosen and for all candidates, the mean and the worst overlap (IoU of what
is above zero), how many of the masks are empty in both runs and left out of the mean, and how far logits lie apart at
most, as a share of their range. Without --ignore-candidates the mean overlap of both has to be --least, since a random
network says of most frames that the object is not there, and then the chosen mask is empty. The exit code is 1 if it is
less, or if all masks are empty.
"""

import argparse
import json
import sys

import numpy as np


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("a")
    p.add_argument("b")
    p.add_argument("--least", type=float, default=0.99)
    p.add_argument("--ignore-candidates", action="store_true", help="only the chosen masks count")
    args = p.parse_args()
    a, b = load(args.a), load(args.b)
    if a.keys() != b.keys():
        sys.exit(f"not the same tensors: {sorted(a.keys() ^ b.keys())[:4]}")
    found = {"chosen": compare(a, b, "logits"), "candidates": compare(a, b, "masks")}
    counted = [v for k, v in found.items() if v["masks"] and not (k == "candidates" and args.ignore_candidates)]
    means = [v["mean_iou"] for v in counted if v["mean_iou"] is not None]
    ok = bool(means) and min(means) >= args.least
    print(json.dumps({**found, "least": args.least, "ok": ok}))
    sys.exit(not ok)


def compare(a, b, field):
    ious, empty, far = [], 0, 0.0
    for key in a:
        if key.rsplit("/", 1)[1] != field:
            continue
        x, y = (t[key].reshape(-1, *t[key].shape[-2:]) for t in (a, b))
        for p, q in zip(x, y):
            either = np.count_nonzero((p > 0) | (q > 0))
            far = max(far, float(np.abs(p - q).max() / (max(np.ptp(p), np.ptp(q)) or 1)))
            if either:
                ious.append(np.count_nonzero((p > 0) & (q > 0)) / either)
            else:
                empty += 1
    return {"masks": len(ious) + empty, "empty": empty, "mean_iou": round(float(np.mean(ious)), 5) if ious else None,
            "worst_iou": round(min(ious), 5) if ious else None, "logits_apart": round(far, 5)}


def load(path):
    """Returns the float32 tensors of a safetensors file."""
    with open(path, "rb") as f:
        data = f.read()
    n = int.from_bytes(data[:8], "little")
    out = {}
    for name, t in json.loads(data[8 : 8 + n]).items():
        if name != "__metadata__" and t["dtype"] == "F32":
            lo, hi = t["data_offsets"]
            out[name] = np.frombuffer(data[8 + n + lo : 8 + n + hi], "<f4").reshape(t["shape"])
    return out


if __name__ == "__main__":
    main()
