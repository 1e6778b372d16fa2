"""The losses of SAM 2: focal x 20, dice, IoU and object score, on the best candidate only.

The focal loss is a mean near the object, with little weight far from it: over the whole frame, an object of one percent
would teach almost nothing but the background.

Masks are compared at half the network's resolution, against the ground truth's share of each pixel: at the decoder's own
quarter the small objects are a few pixels wide, and the full resolution costs four times as much for the same edge.
"""

import torch
import torch.nn.functional as F

WEIGHTS = {"focal": 20.0, "dice": 1.0, "iou": 1.0, "score": 1.0}


def targets(masks):
    """uint8 [N, S, S] -> the share of each of S/2 x S/2 pixels."""
    return F.avg_pool2d(masks[:, None].float(), 2)[:, 0]


def near(target, elsewhere=0.02):
    """The weight of each pixel in the focal loss: 1 within two blocks of 4x4 of the object; [N, H, W], sums to 1 for each n."""
    x = F.max_pool2d(F.max_pool2d((target > 0).float(), 4), 5, 1, 2).clamp(min=elsewhere)
    x = x.repeat_interleave(4, -1).repeat_interleave(4, -2)
    return x / x.sum((-1, -2), keepdim=True)


def focal(logits, target, weight):
    """[..., H, W] -> [...]; gamma 2, both classes alike, mean by weight."""
    p = logits.sigmoid()
    ce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    wrong = p + target - 2 * p * target
    return (0.5 * ce * wrong * wrong * weight).sum((-1, -2))


def dice(logits, target):
    """[..., H, W] -> [...]."""
    p = logits.sigmoid()
    return 1 - (2 * (p * target).sum((-1, -2)) + 1) / (p.sum((-1, -2)) + target.sum((-1, -2)) + 1)


def overlap(logits, target):
    """Intersection over union of the masks cut at 0 and at half: [..., H, W] -> [...]."""
    a, b = logits > 0, target > 0.5
    return (a & b).sum((-1, -2)).float() / (a | b).sum((-1, -2)).clamp(min=1)


def total(out, target, single):
    """The weighted sum for a batch, and its parts as numbers.

    out is what network.heads returned; target [N, S/2, S/2]; single whether token 0 is supervised beside the best of
    the three. Frames without the object contribute their object score alone. The best candidate is found at the
    decoder's resolution, without gradient.
    """
    masks, iou, _, present = out
    n, size = len(target), target.shape[-2:]
    weight = near(target)
    with torch.no_grad():
        small, light = (F.interpolate(x[:, None], size=masks.shape[-2:], mode="area") for x in (target, weight))
        small, light = small.expand(-1, 3, -1, -1), light / light.sum((-1, -2), keepdim=True)
        three = masks[:, 1:].detach()
        best = 1 + (WEIGHTS["focal"] * focal(three, small, light) + WEIGHTS["dice"] * dice(three, small)).argmin(1)
        actual = overlap(F.interpolate(masks.detach(), size=size, mode="bilinear", align_corners=False), target[:, None])
    rows = torch.arange(n, device=masks.device)
    picked = masks[rows, best][:, None]
    if single:
        picked = torch.cat([picked, masks[:, :1]], 1)
    wide = F.interpolate(picked, size=size, mode="bilinear", align_corners=False)
    goal = target[:, None].expand_as(wide)
    there = (target.flatten(1).sum(1) > 0).float()
    count = there.sum().clamp(min=1)
    first = 0 if single else 1
    parts = {
        "focal": (focal(wide, goal, weight[:, None]).mean(1) * there).sum() / count,
        "dice": (dice(wide, goal).mean(1) * there).sum() / count,
        "iou": ((iou - actual)[:, first:].abs().mean(1) * there).sum() / count,
        "score": F.binary_cross_entropy_with_logits(present[:, 0], there),
    }
    loss = sum(WEIGHTS[k] * v for k, v in parts.items())
    numbers = {k: float(v) for k, v in parts.items()}
    numbers["j"] = float((actual[rows, 0 if single else best] * there).sum() / count)
    return loss, numbers
