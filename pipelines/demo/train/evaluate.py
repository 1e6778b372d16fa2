"""J on validation clips and sequences: masks from a box on single frames, and tracks by the official rules.

J is the mean over frames of intersection over union, cut at logit 0; a frame on which the object is hidden counts 1 when
the mask is empty and 0 otherwise. The first frame of a track, whose box is given, does not count. Generated clips have 16
frames and are measured at 256 x 256, real sequences are whole and measured at their own size.

    python evaluate.py --sam2 sam2 --weights nano.safetensors --tachi ../../../tachi --natural material/validation --real sequences
"""

import argparse
import glob
import json
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import data
import model as nano
import network

FRAMES = 16


def load(tachi=None, material=None, clips=6):
    """The validation clips, a few of each family."""
    out = {}
    if tachi:
        out |= {f: list(data.synthetic(tachi, data.VALIDATION, FRAMES, clips, f)) for f in data.FAMILIES}
    if material:
        out |= {f: list(data.natural(material, data.VALIDATION, FRAMES, clips, f)) for f in data.NATURAL}
    return out


def stack(clips):
    """Frames [T, N, 3, S, S], target masks bool [T, N, S, S] and first boxes [N, 4] of clips of one length."""
    images = torch.stack([nano.normalise(torch.from_numpy(c.rgb)) for c in clips], 1)
    masks = torch.from_numpy(np.stack([np.stack([c.mask(t, c.target) for t in range(len(c.rgb))]) for c in clips], 1))
    return images, masks.bool(), data.boxes(masks[0])


def jaccard(got, want):
    """[..., S, S] bool -> [...], 1 where both are empty."""
    union = (got | want).sum((-1, -2)).float()
    return torch.where(union > 0, (got & want).sum((-1, -2)) / union.clamp(min=1), 1.0)


@torch.no_grad()
def run(model, validation, tracks=True, device="cpu"):
    """The scores: box_FAMILY and track_FAMILY, their means, and how often the object score is right."""
    begun, scores, right = time.time(), {}, []
    with network.fast(device):
        for family, clips in validation.items():
            images, masks, box = (x.to(device) for x in stack(clips))
            stills = []
            for t in range(0, FRAMES, 4):
                seen = masks[t].flatten(1).sum(1) >= 40
                if seen.any():
                    got, _ = network.predict(model, images[t : t + 1, seen], data.boxes(masks[t][seen].byte().cpu()).to(device))
                    stills.append(jaccard(got[0] > 0, masks[t][seen]))
            scores["box_" + family] = float(torch.cat(stills).mean())
            if tracks:
                got, present = network.predict(model, images, box)
                scores["track_" + family] = float(jaccard(got[1:] > 0, masks[1:]).mean())
                right.append(((present > 0) == masks.flatten(2).any(2)).float().mean())
    for kind in ("box", "track") if tracks else ("box",):
        for which, families in (("", data.FAMILIES), ("natural-", data.NATURAL)):
            found = [scores[f"{kind}_{f}"] for f in families if f in validation]
            if found:
                scores[f"{kind}_{which}all"] = float(np.mean(found))
    if right:
        scores["score_accuracy"] = float(torch.stack(right).mean())
    scores["seconds"] = time.time() - begun
    return scores


def sequence(folder):
    """Frames uint8 [T, H, W, 3] and masks bool [T, H, W] of a folder of frames/*.jpg and masks/*.png."""
    from PIL import Image

    names = sorted(os.path.basename(p)[:-4] for p in glob.glob(os.path.join(folder, "frames", "*.jpg")))
    frames = [np.asarray(Image.open(os.path.join(folder, "frames", n + ".jpg")).convert("RGB")) for n in names]
    masks = [np.asarray(Image.open(os.path.join(folder, "masks", n + ".png")).convert("P")) > 0 for n in names]
    return np.stack(frames), np.stack(masks)


@torch.no_grad()
def real(model, folder):
    """J of the track of a real sequence from its first mask's box."""
    frames, masks = sequence(folder)
    size, square = frames.shape[1:3], (model.image_size,) * 2
    images = [torch.from_numpy(f).permute(2, 0, 1)[None].float() for f in frames]
    images = [F.interpolate(x, square, mode="bilinear", antialias=True, align_corners=False).round().clamp(0, 255) for x in images]
    images = torch.stack([nano.normalise(x.permute(0, 2, 3, 1)) for x in images])
    masks = torch.from_numpy(masks)
    box = data.boxes(masks[:1].byte()) * torch.tensor([square[1] / size[1], square[0] / size[0]] * 2)
    with network.fast():
        got, _ = network.predict(model, images, box)
    got = torch.cat([F.interpolate(g[None], size, mode="bilinear", align_corners=False)[0] for g in got])
    return float(jaccard(got[1:] > 0, masks[1:]).mean())


def reals(model, folder):
    """real_NAME for every sequence of a folder, and real_all, their mean."""
    scores = {"real_" + os.path.basename(p[:-1]): real(model, p) for p in sorted(glob.glob(os.path.join(folder, "*", "")))}
    return {**scores, "real_all": float(np.mean(list(scores.values())))}


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--sam2", required=True, help="checkout of facebookresearch/sam2")
    p.add_argument("--weights", required=True, help="safetensors")
    p.add_argument("--tachi", help="the program, for its families")
    p.add_argument("--natural", help="folder of material for natural families")
    p.add_argument("--real", help="folder of real sequences")
    p.add_argument("--clips", type=int, default=6, help="of each family")
    args = p.parse_args()
    torch.set_num_threads(1)
    model = nano.build(args.sam2)
    model.load_state_dict({k: v.float() for k, v in load_file(args.weights).items()})
    scores = run(model, load(args.tachi, args.natural, args.clips)) if args.tachi or args.natural else {}
    if args.real:
        scores |= reals(model, args.real)
    print(json.dumps({k: round(v, 4) for k, v in scores.items()}, indent=1))


if __name__ == "__main__":
    main()
