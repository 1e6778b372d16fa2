"""Writes what Pillow and torch make of made-up pictures and planes, for the tests in this folder's parent.

Made with Python 3.11.7, Pillow 13.0.0, numpy 2.4.6 and torch 2.5.1 on a CPU:

    python make_preprocess.py

Inputs are not stored: picture and plane number n are splitmix64 of the seed n, here and in golden.go.
"""

import numpy as np
import torch
from PIL import Image


def splitmix(seed, n):
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def picture(seed, w, h):
    """Noise of 64 levels on a gradient; every third picture is black and white, which overshoots at each edge."""
    z = splitmix(seed, h * w * 3).reshape(h, w, 3)
    if seed % 3 == 0:
        return ((z & np.uint64(1)) * np.uint64(255)).astype(np.uint8)
    y, x = np.mgrid[:h, :w]
    ramp = ((x * 5 + y * 3) % 192).astype(np.uint8)
    return ramp[:, :, None] + (z & np.uint64(63)).astype(np.uint8)


def plane(seed, *shape):
    z = splitmix(seed, int(np.prod(shape))) >> np.uint64(40)
    return (z.astype(np.float32) / np.float32(1 << 23) - np.float32(1)).reshape(shape) * np.float32(8)


pictures = [  # w, h, to w, to h
    (37, 23, 32, 32), (23, 37, 64, 64), (640, 360, 64, 64), (1, 40, 16, 16), (33, 1, 20, 20), (48, 31, 48, 40),
    (31, 48, 40, 48), (19, 27, 61, 77), (130, 99, 7, 11), (211, 97, 96, 96), (2, 2, 33, 33),
]
for seed, (w, h, ow, oh) in enumerate(pictures, 1):
    out = Image.fromarray(picture(seed, w, h)).resize((ow, oh), Image.BICUBIC)
    out.save(f"stretch-{seed}-{w}x{h}-to-{ow}x{oh}.png", optimize=True)

planes = [  # h, w, to h, to w, antialias
    (16, 16, 64, 64, False), (20, 30, 54, 96, False), (40, 30, 17, 11, False), (64, 64, 16, 16, True),
    (57, 83, 13, 20, True), (7, 9, 20, 31, True),
]
for seed, (h, w, oh, ow, antialias) in enumerate(planes, 101):
    x = torch.from_numpy(plane(seed, 1, 2, h, w))
    y = torch.nn.functional.interpolate(x, (oh, ow), mode="bilinear", align_corners=False, antialias=antialias)
    name = f"resize-{seed}-{h}x{w}-to-{oh}x{ow}{'-antialias' if antialias else ''}.f32"
    y.numpy().astype("<f4").tofile(name)

# Every 8-bit value of each channel as the network sees it, [256, 3].
v = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1)
x = torch.from_numpy(v / 255.0).to(torch.float32)
x -= torch.tensor((0.485, 0.456, 0.406), dtype=torch.float32)
x /= torch.tensor((0.229, 0.224, 0.225), dtype=torch.float32)
x.numpy().astype("<f4").tofile("normalised.f32")
