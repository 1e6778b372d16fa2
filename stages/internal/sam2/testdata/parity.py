"""Compares tachi with the official implementations at full size, on random weights and a real clip.

    parity.py --tachi ./tachi --sam2 CHECKOUT --samurai CHECKOUT --clip clip.mp4 --box x,y,w,h

tachi makes a checkpoint of tiny and tracks the clip's first frames, keeping its RGB frames and low-resolution logits.
The official predictors load the same checkpoint and get the same RGB frames. Then one image goes through large's
encoder on both sides. Prints the tables in Markdown and fails when a choice or a box differs, or an error is above
1e-3 of the range.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))

NETWORK = """
[pipeline]
batch = 1
[model]
variant = "{variant}"
weights = "{weights}"
[stages.decode]
stage = "decode"
path = "{clip}"
frames = {frames}
box = {box}
[stages.upload]
stage = "h2d"
inputs = {{ frame = "decode.frame" }}
[stages.encode]
stage = "sam2-encode"
inputs = {{ image = "upload.image" }}
"""

TRACKER = (
    NETWORK
    + """
[stages.attend]
stage = "memory-attend"
inputs = {{ features = "encode.features", bank = {{ from = "memory.bank", delay = 1 }} }}
[stages.masks]
stage = "decode-mask"
inputs = {{ features = "encode.features", conditioned = "attend.conditioned" }}
{select}
[stages.dump]
stage = "dump"
inputs = {{ frame = "decode.frame", candidates = "masks.candidates", result = "select.result" }}
path = "dump.safetensors"
"""
)

RULES = {
    "samurai": """[stages.select]
stage = "samurai-select"
inputs = { candidates = "masks.candidates", motion = { from = "select.motion", delay = 1 } }
[stages.memory]
stage = "memory-encode"
policy = "samurai"
inputs = { features = "encode.features", selection = "select.selection", bank = { from = "memory.bank", delay = 1 } }
""",
    "sam2": """[stages.select]
stage = "sam2-select"
inputs = { candidates = "masks.candidates" }
[stages.memory]
stage = "memory-encode"
policy = "recent"
inputs = { features = "encode.features", selection = "select.selection", bank = { from = "memory.bank", delay = 1 } }
""",
}

ENCODER = (
    NETWORK
    + """
[stages.dump]
stage = "dump"
inputs = {{ image = "upload.image", features = "encode.features" }}
path = "dump.safetensors"
"""
)

YAML = {
    ("sam2", "tiny"): "sam2.1/sam2.1_hiera_t.yaml",
    ("sam2", "large"): "sam2.1/sam2.1_hiera_l.yaml",
    ("samurai", "tiny"): "samurai/sam2.1_hiera_t.yaml",
}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tachi", required=True)
    p.add_argument("--sam2", required=True)
    p.add_argument("--samurai", required=True)
    p.add_argument("--clip", required=True)
    p.add_argument("--box", default="40,40,80,80", help="x,y,w,h on the first frame")
    p.add_argument("--frames", type=int, default=12)
    p.add_argument("--rules", default="samurai,sam2")
    p.add_argument("--seed", type=int, default=3, help="of the random weights; with 3 the object is seen on every frame")
    p.add_argument("--without-large", action="store_true")
    a = p.parse_args()
    a.tachi, a.clip = os.path.abspath(a.tachi), os.path.abspath(a.clip)
    print(f"{platform.processor() or platform.machine()}, {subprocess.check_output([a.tachi, 'version'], text=True).strip()}\n")
    ok = True
    with tempfile.TemporaryDirectory() as work:
        weights = checkpoint(a, work, "tiny", a.seed)
        for rules in a.rules.split(","):
            ok &= compare_tracks(a, work, rules, weights)
        os.remove(weights)
        if not a.without_large:
            ok &= compare_encoder(a, work, checkpoint(a, work, "large", a.seed))
    sys.exit(0 if ok else 1)


def checkpoint(a, work, variant, seed):
    """Has tachi write a random checkpoint."""
    path = os.path.join(work, variant + ".pt")
    subprocess.run([a.tachi, "model", "init", "--variant", variant, "--seed", str(seed), "-o", path], check=True, stdout=2)
    return path


def tachi(a, work, text, **values):
    """Runs a pipeline and returns what it dumped, and the seconds it took."""
    from safetensors.torch import load_file

    box = "[" + a.box + "]"
    with open(os.path.join(work, "parity.toml"), "w") as f:
        f.write(text.format(clip=a.clip, box=box, **values))
    start = time.time()
    subprocess.run([a.tachi, "run", "parity.toml", "--overwrite", "--quiet"], cwd=work, check=True)
    return load_file(os.path.join(work, "dump.safetensors")), time.time() - start


def reference(a, job, rules, *args):
    """Runs a job of this script against a checkout, in a process of its own."""
    subprocess.run([sys.executable, os.path.join(HERE, "parity.py"), job, getattr(a, rules), rules, str(a.seed), *args], check=True, stdout=2)


def compare_tracks(a, work, rules, weights):
    import torch
    from PIL import Image
    from safetensors.torch import load_file

    ours, seconds = tachi(a, work, TRACKER, variant="tiny", weights=weights, frames=a.frames, select=RULES[rules])
    clip = os.path.join(work, rules)
    os.mkdir(clip)
    for t in range(a.frames):
        # The reference's loader goes by the name, Pillow by the content: PNG keeps the pixels.
        Image.fromarray(ours[f"frame/{t:06d}/rgb"].numpy()).save(os.path.join(clip, f"{t}.jpg"), format="PNG")
    x, y, w, h = (float(v) for v in a.box.split(","))
    start = time.time()
    reference(a, "track", rules, weights, clip, json.dumps({"box": [x, y, x + w, y + h]}), os.path.join(work, "ref"))
    theirs = load_file(os.path.join(work, "ref.safetensors"))["logits"]
    with open(os.path.join(work, "ref.json")) as f:
        frames = json.load(f)

    print(f"tiny at 1024, {rules} rules, {a.frames} frames: tachi {seconds:.0f} s, reference {time.time() - start:.0f} s in all\n")
    print("| frame | logits' range | largest error / range | IoU error | object logit error | candidate | box |")
    print("|---|---|---|---|---|---|---|")
    ok = True
    for t, f in enumerate(frames):
        got = lambda port, field: ours[f"{port}/{t:06d}/{object_id}/{field}"]
        object_id = next(k.split("/")[2] for k in ours if k.startswith("result/"))
        span = (theirs[t].max() - theirs[t].min()).item()
        error = (got("result", "logits") - theirs[t]).abs().max().item() / max(span, 1e-9)
        iou = (got("candidates", "iou") - torch.tensor(f["ious"])).abs().max().item()
        logit = abs(got("candidates", "object_logit").item() - f["object_logit"])
        # The dumped logits are those of the chosen candidate.
        chosen = (got("candidates", "masks") - got("result", "logits")).abs().amax((1, 2)).argmin().item()
        box = got("result", "box").tolist()
        good = error <= 1e-3 and chosen == f["chosen"] and box == f["box"]
        ok &= good
        print(f"| {t} | {span:.2f} | {error:.1e} | {iou:.1e} | {logit:.1e} | {chosen} {same(chosen, f['chosen'])} | {box} {same(box, f['box'])} |")
    print(flush=True)
    return ok


def same(ours, theirs):
    return "=" if ours == theirs else f"but {theirs}"


def compare_encoder(a, work, weights):
    from safetensors.torch import load_file, save_file

    ours, seconds = tachi(a, work, ENCODER, variant="large", weights=weights, frames=1)
    save_file({"image": ours["image/000000/pixels"]}, os.path.join(work, "image.safetensors"))
    reference(a, "encode", "sam2", weights, os.path.join(work, "image.safetensors"), os.path.join(work, "ref.safetensors"))
    theirs = load_file(os.path.join(work, "ref.safetensors"))
    print(f"large's encoder at 1024: tachi {seconds:.0f} s with loading\n")
    print("| map | range | largest error / range |")
    print("|---|---|---|")
    ok = True
    for name, want in theirs.items():
        span = (want.max() - want.min()).item()
        error = (ours[f"features/000000/{name}"] - want).abs().max().item() / span
        ok &= error <= 1e-3
        print(f"| {name.upper()} {list(want.shape)} | {span:.2f} | {error:.1e} |")
    return ok


def load(checkout, rules, seed, variant, weights):
    """Builds the official predictor and loads tachi's checkpoint, as strictly and safely as torch can."""
    import torch

    import reference as ref

    ref.use(checkout)
    model = ref.build(YAML[rules, variant], {}, int(seed))
    state = torch.load(weights, weights_only=True, map_location="cpu")["model"]
    for name, made in model.state_dict().items():
        assert torch.equal(state[name], made), f"{name} is not as generated"
    model.load_state_dict(state, strict=True)
    return model


def job_track(checkout, rules, seed, weights, clip, prompt, out):
    import torch
    from safetensors.torch import save_file

    import golden_tracks

    seen = golden_tracks.track(load(checkout, rules, seed, "tiny", weights), clip, json.loads(prompt))
    save_file({"logits": torch.stack(seen.logits).float()}, out + ".safetensors")
    with open(out + ".json", "w") as f:
        json.dump(seen.frames, f)


def job_encode(checkout, rules, seed, weights, image, out):
    import torch
    from safetensors.torch import load_file, save_file

    model = load(checkout, rules, seed, "large", weights)
    with torch.inference_mode():
        maps = model.forward_image(load_file(image)["image"].permute(2, 0, 1)[None])["backbone_fpn"]
    save_file({f"f{i}": x[0].permute(1, 2, 0).contiguous() for i, x in enumerate(maps)}, out)


if __name__ == "__main__":
    if sys.argv[1:2] == ["track"]:
        job_track(*sys.argv[2:])
    elif sys.argv[1:2] == ["encode"]:
        job_encode(*sys.argv[2:])
    else:
        main()
