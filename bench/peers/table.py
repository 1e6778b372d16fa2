"""Prints tables in Markdown of what bench/gpu.sh has put into gpu.jsonl: speed and memory beside PyTorch's, and the masks.

    table.py gpu.jsonl
"""

import json
import sys

MIB = 2**20


def main():
    rows = [json.loads(line) for line in open(sys.argv[1])]
    by = {}
    for r in rows:
        by.setdefault(r["what"], []).append(r)
    for r in by.get("gpu", [])[-1:]:
        print(f"{r['result']['name']}, driver {r['result']['driver']}, {r['result']['memory']}\n")
    peers = [r["result"] for r in by.get("peer", [])]
    for c in [p for p in peers if p["who"] == "ceilings" and "error" not in p][-1:]:
        print(f"Ceilings: {c['product_tflops']:.0f} TFLOP/s (bf16 product of 8192), {c['copy_gbs']:.0f} GB/s (copy, read and written)\n")
    variants = list(dict.fromkeys(r["variant"] for r in by.get("speed", []) + peers if r.get("variant")))
    for v in variants:
        speed(v, by, [p for p in peers if p["variant"] == v and p["who"] != "ceilings"])
    for r in by.get("masks", []):
        c, all_ = r["result"]["chosen"], r["result"]["candidates"]
        print(f"- masks of {r['network']}, {r['precision']} beside f32: IoU {c['mean_iou']} of the chosen (worst {c['worst_iou']}, {c['empty']} of "
              f"{c['masks']} empty), {all_['mean_iou']} of all candidates; logits {100 * max(c['logits_apart'], all_['logits_apart']):.2f} % of their range apart")


def speed(variant, by, peers):
    """Prints one variant's table. Memory without weights is what tachi has on the device, or what PyTorch's allocator had."""
    lines, ours = [], {}
    weights = {r["batch"]: r["result"]["weight_bytes"] for r in by.get("plan", []) if r["variant"] == variant}
    for r in by.get("speed", []):
        if r["variant"] == variant:
            ours[r["batch"]] = r
    for name, r in ours.items():
        x = r["result"]
        beside = x["resident_bytes"] - weights.get(name, 0)
        lines.append((f"tachi, batch {x['batch']}", x["fps"], 1e3 / x["fps"], beside,
                      f"{x['resident_bytes'] / MIB:.1f} of {x['resident_bound_bytes'] / MIB:.1f} MiB planned; {r['used_mib']} MiB on the GPU with its context"))
    good = [p for p in peers if "error" not in p]
    for p in good:
        ms = min(p[k] for k in ("frame_ms", "loop_ms", "resident_ms", "track_ms") if k in p)
        parts = ", ".join(f"{k[:-3].replace('_', ' ')} {p[k]:.2f}" for k in ("frame_ms", "loop_ms", "resident_ms", "track_ms", "encoder_ms", "memory_attention_ms") if k in p)
        lines.append((f"PyTorch {p['torch']}, {p['who']}", 1e3 / ms, ms, p.get("activation_bytes"), parts))
    lines += [(f"PyTorch, {p['who']}", None, None, None, p["error"]) for p in peers if "error" in p]
    if not lines:
        return
    print(f"### {variant}\n\n| | frames/s | ms | MiB beside weights | |\n|---|---|---|---|---|")
    for who, fps, ms, beside, note in lines:
        cells = ["" if x is None else f"{x:.{n}f}" for x, n in ((fps, 1), (ms, 2), (beside and beside / MIB, 1))]
        print(f"| {who} | {' | '.join(cells)} | {note} |")
    print()
    if good and "one" in ours:
        fastest = max(fps for who, fps, *_ in lines if who.startswith("PyTorch") and fps)
        x = ours["one"]["result"]
        print(f"- one frame resident: {x['fps'] / fastest:.2f} of the fastest PyTorch frames/s (1.5 wanted), with each variant at its best of all its loops")
        least = min((p["activation_bytes"] for p in good if "activation_bytes" in p), default=0)
        if least and "one" in weights:
            print(f"- memory beside weights: {(x['resident_bytes'] - weights['one']) / least:.3f} of the least of PyTorch's (0.25 at most wanted)")
        print(f"- peak {'within' if x['resident_bytes'] <= x['resident_bound_bytes'] else 'ABOVE'} the bound\n")
    stages = [(r["result"]["stage"], r["result"]["p50_ms"]) for r in by.get("stage", []) if r["variant"] == variant]
    if stages:
        print("- each stage alone, ms: " + ", ".join(f"{k} {v:.3f}" for k, v in dict(stages).items()) + f"; together {sum(dict(stages).values()):.2f}\n")


if __name__ == "__main__":
    main()
