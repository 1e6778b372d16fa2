"""Times tachi beside the official predictor in one run, one after the other and again (ABAB), and prints medians.

    abab.py --tachi ./tachi --python PYTHON --sam2 CHECKOUT [--variant tiny] [--rounds 3] [--frames 24]

Both sides run the same random weights in float32 with the same number of threads, one object, image size 1024. The
reference is timed by peer.py on frames with a full bank. tachi runs bench.toml with one frame resident at a time, so its
stages do not overlap: the sum of their medians is the time of a frame, most of which have a full bank too.
Prints the table and, last, one JSON object.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.join(HERE, "..", "..", "pipelines", "bench.toml")


def reference(a):
    out = subprocess.run([a.python, os.path.join(HERE, "peer.py"), "--sam2", a.sam2, "--variant", a.variant,
                          "--threads", str(a.threads), "--frames", "3"], check=True, capture_output=True, text=True).stdout
    return json.loads(out.splitlines()[-1])


def tachi(a, weights):
    out = subprocess.run([a.tachi, "bench", BENCH, "--json", "--frames", str(a.frames),
                          "--variant", a.variant, "--weights", weights, "--set", f"pipeline.threads={a.threads}",
                          "--set", "pipeline.batch=1", "--set", "pipeline.micro=1"], check=True, capture_output=True, text=True).stdout
    stages = {s["id"]: s["p50_ms"] / 1e3 for s in json.loads(out)["stages"]}
    own = {k: stages[k] for k in ("upload", "encode", "attend", "masks", "select", "memory")}
    return {"total": sum(own.values()), "encoder": own["encode"], "memory_attention": own["attend"],
            "rest": sum(own.values()) - own["encode"] - own["attend"]}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tachi", required=True)
    p.add_argument("--python", required=True, help="a Python with the packages of requirements.txt")
    p.add_argument("--sam2", required=True, help="checkout of facebookresearch/sam2")
    p.add_argument("--variant", default="tiny")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--frames", type=int, default=24)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        weights = os.path.join(folder, "w.safetensors")
        subprocess.run([a.tachi, "model", "init", "--variant", a.variant, "-o", weights], check=True)
        limits = json.loads(subprocess.run([a.tachi, "bench", BENCH, "--limits", "--json"], check=True, capture_output=True, text=True).stdout)
        runs = {"reference": [], "tachi": []}
        for _ in range(a.rounds):
            runs["reference"].append(reference(a))
            runs["tachi"].append(tachi(a, weights))
    parts = ("total", "encoder", "memory_attention", "rest")
    median = {who: {k: statistics.median(r[k] for r in rs) for k in parts} for who, rs in runs.items()}
    print(f"{a.variant}, 1024, one object, full bank, float32, {a.threads} threads, median of {a.rounds}; "
          f"FMA peak {limits['peak_gflops']:.0f} GFLOP/s, copy {limits['copy_gbs']:.0f} GB/s\n")
    print("| seconds per frame | reference | tachi | ratio |\n|---|---|---|---|")
    for k in parts:
        r, t = median["reference"][k], median["tachi"][k]
        print(f"| {k.replace('_', ' ')} | {r:.2f} | {t:.2f} | {r / t:.2f} |")
    print(json.dumps({"limits": limits, "runs": runs, "median": median}))


if __name__ == "__main__":
    main()
