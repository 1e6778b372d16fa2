"""Writes the goldens of the trained nano: a made-up clip tracked by the official predictors with its weights.

    python golden_nano.py --sam2 CHECKOUT --samurai CHECKOUT --tachi PROGRAM --state FILE

The weights are those of the program, float16 as they are stored; --state is the latest.pt of their training, which has them before they were rounded:
how far its masks are from the others' says what the rounding costs. Under each of the two rules it
stores what golden_tracks.py stores, as nano_NAME.safetensors and nano_NAME.json. The clip is drawn by the program.
"""

import argparse
import json
import os
import subprocess
import sys

import torch
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
TRAIN = os.path.join(HERE, "..", "..", "..", "..", "pipelines", "demo", "train")
STORED = os.path.join(TRAIN, "..", "nano.safetensors")
CLIP = {"family": "crossing", "seed": 2_500_001, "frames": 30}  # of neither training nor test


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--sam2", required=True, help="checkout of facebookresearch/sam2")
    p.add_argument("--samurai", required=True, help="checkout of yangchris11/samurai")
    p.add_argument("--tachi", required=True, help="the program, for its generator")
    p.add_argument("--state", required=True, help="the training's state")
    p.add_argument("--rules", help="one of the two, in a process of its own: both checkouts call their package sam2")
    args = p.parse_args()
    if args.rules:
        return golden(args.rules, args)
    for rules in ("sam2", "samurai"):
        subprocess.run([sys.executable, *sys.argv, "--rules", rules], check=True)


def golden(rules, args):
    sys.path += [TRAIN]
    import data
    import model as nano
    import reference
    from golden_tracks import pictures, track, twice

    reference.use(args.sam2 if rules == "sam2" else args.samurai)
    yaml = "sam2.1/sam2.1_hiera_t.yaml" if rules == "sam2" else "samurai/sam2.1_hiera_t.yaml"

    stored = load_file(STORED)
    full = torch.load(args.state, weights_only=True)["average"]
    assert all(torch.equal(stored[k], full[k].half()) for k in full), "the stored weights are not those of the state"

    def build(weights):
        model = nano.construct(yaml, _target_="sam2.sam2_video_predictor.SAM2VideoPredictor", fill_hole_area=0).eval()
        model.load_state_dict({k: v.float() for k, v in weights.items()}, strict=True)
        return model

    clip = next(data.synthetic(args.tachi, CLIP["seed"], CLIP["frames"], 1, CLIP["family"]))
    box = data.boxes(torch.from_numpy(clip.mask(0, clip.target))[None])[0].tolist()
    with pictures(clip.rgb) as folder:
        seen, run = twice(f"nano {rules}", lambda: build(stored), folder, {"box": box})
        wide = track(build(full), folder, {"box": box})
    save_file({"logits": torch.stack(seen.logits).float(), "pointers": torch.stack(seen.pointers).float(),
               "full/logits": torch.stack(wide.logits).half()}, os.path.join(HERE, f"nano_{rules}.safetensors"))
    with open(os.path.join(HERE, f"nano_{rules}.json"), "w") as f:
        f.write(json.dumps({**CLIP, "box": box, **run}).replace('{"stage"', '\n{"stage"'))


if __name__ == "__main__":
    main()
