"""Times tachi beside the official predictor in one run, one after the other and again (ABAB), and prints medians.

    abab.py --tachi ./tachi --python PYTHON --sam2 CHECKOUT [--variant tiny] [--rounds 3] [--frames 24] [--alone]

Both sides run the same random weights in float32 with the same number of threads, one object, image size 1024. The
reference is timed by peer.py on frames with a full bank. tachi runs bench.toml with one frame resident at a time, so its
stages do not overlap: the sum of their medians is the time of a frame, most of which have a full bank too. --alone runs it
with one thread as well. The machine's limits are measured before every one of these runs: other tenants of it change them.
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


def limits(a):
    out = subprocess.run([a.tachi, "bench", BENCH, "--limits", "--json"], check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def tachi(a, weights, threads):
    out = subprocess.run([a.tachi, "bench", BENCH, "--json", "--frames", str(a.frames),
                          "--variant", a.variant, "--weights", weights, "--set", f"pipeline.threads={threads}",
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
    p.add_argument("--alone", action="store_true", help="with one thread too")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        weights = os.path.join(folder, "w.safetensors")
        subprocess.run([a.tachi, "model", "init", "--variant", a.variant, "-o", weights], check=True)
        sides = {"reference": lambda: reference(a), "tachi": lambda: tachi(a, weights, a.threads)}
        if a.alone:
            sides["one thread"] = lambda: tachi(a, weights, 1)
        runs, machine = {who: [] for who in sides}, []
        for _ in range(a.rounds):
            for who, run in sides.items():
                machine.append(limits(a))
                runs[who].append(run())
    parts = ("total", "encoder", "memory_attention", "rest")
    median = {who: {k: statistics.median(r[k] for r in rs) for k in parts} for who, rs in runs.items()}
    peaks, copies = ([m[k] for m in machine] for k in ("peak_gflops", "copy_gbs"))
    print(f"{a.variant}, 1024, one object, full bank, float32, {a.threads} threads, median of {a.rounds}; FMA peak "
          f"{statistics.median(peaks):.0f} GFLOP/s ({min(peaks):.0f} to {max(peaks):.0f}), copy {statistics.median(copies):.0f} GB/s\n")
    print("| seconds per frame | " + " | ".join(sides) + " | reference / tachi |\n|---" + "|---" * len(sides) + "|---|")
    for k in parts:
        times = [median[who][k] for who in sides]
        print(f"| {k.replace('_', ' ')} | " + " | ".join(f"{s:.2f}" for s in times) + f" | {times[0] / times[1]:.2f} |")
    print(json.dumps({"limits": machine, "runs": runs, "median": median}))


if __name__ == "__main__":
    main()
