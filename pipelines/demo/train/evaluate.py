"""J on the validation seeds: masks from a box on single frames, and tracks of 16 frames by the official rules.

J is the mean over frames of intersection over union at 256 x 256, cut at logit 0; a frame on which the object is hidden
counts 1 when the mask is empty and 0 otherwise. The first frame of a track, whose box is given, does not count.
"""

import time

import numpy as np
import torch

import data
import model as nano
import network

FRAMES = 16


def load(tachi, clips=6):
    """The validation clips, a few of each family."""
    return {f: list(data.stream(tachi, data.VALIDATION, clips, FRAMES, family=f)) for f in data.FAMILIES}


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
        scores[kind + "_all"] = float(np.mean([scores[f"{kind}_{f}"] for f in validation]))
    if right:
        scores["score_accuracy"] = float(torch.stack(right).mean())
    scores["seconds"] = time.time() - begun
    return scores
