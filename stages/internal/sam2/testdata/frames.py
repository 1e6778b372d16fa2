"""The golden clip: small RGB frames in which three bright shapes move over a drifting texture.

Whole numbers only, so that it is the same everywhere; it is stored in the goldens all the same.
"""

import numpy as np

WIDTH, HEIGHT = 96, 80


def make_frames(count):
    """Returns u8 [count, HEIGHT, WIDTH, 3]."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.int64)
    frames = np.empty((count, HEIGHT, WIDTH, 3), np.uint8)
    for t in range(count):
        light = 96 + 5 * (t * 7 % 20)
        base = [(x * 3 + t * 4) % 64, (y * 5 + t * 3) % 80, (x + y + t * 7) % 96]
        frame = np.stack([np.clip(b + light - 96, 0, 255) for b in base], -1)
        for n, (px, py, radius, colour) in enumerate(paths(t)):
            inside = (x - px) ** 2 + (y - py) ** 2 < radius**2 if n % 2 == 0 else np.maximum(abs(x - px), abs(y - py)) < radius
            stripe = ((x - px + y - py) // 4 % 2 * 60)[..., None]
            frame = np.where(inside[..., None], np.clip(np.array(colour) - stripe, 0, 255), frame)
        frames[t] = frame.astype(np.uint8)
    return frames


def paths(t):
    """Returns (x, y, radius, colour) of each shape at frame t; the first leaves for a while."""
    away = 200 if 21 <= t < 25 else 0
    yield 24 + t + away, 30 + (t * 7 % 23) // 2, 13, (250, 220, 40)
    yield 70 - t, 56 - t // 3, 9 + t % 3, (40, 90, 250)
    yield 48 + (t * 11 % 17) - 8, 18 + t, 7, (240, 60, 200)
