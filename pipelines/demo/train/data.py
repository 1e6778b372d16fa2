"""Clips from generators, pools of them in memory, and the prompts drawn from their ground truth.

`tachi synth --stream` writes clip after clip: a line of JSON, then for every frame its RGB24 pixels and one byte mask per
object (1 where the object is visible). So does natural.py. A thread per generator reads them into a pool that the trainer
samples from: the generators share the cores with the training, and a clip seen under another flip, turn or tint is nearly
as good as a new one.
"""

import json
import os
import subprocess
import sys
import threading
import time

import numpy as np
import torch

FAMILIES = ("easy", "occlusion", "crossing", "exit")
NATURAL = tuple("natural-" + f for f in FAMILIES)
TRAINING, VALIDATION, TEST = 1_000_000, 2_000_000, 3_000_000  # first seeds, a million each


class Clip:
    """One clip: rgb uint8 [T, H, W, 3], masks as bits [T, K, H, W/8], area int [T, K] in pixels, target index."""

    def __init__(self, header, rgb, masks):
        self.family, self.seed = header["family"], header["seed"]
        self.target = int(header.get("target", 1)) - 1
        self.rgb = rgb
        self.bits = np.packbits(masks, axis=-1)
        self.area = masks.reshape(*masks.shape[:2], -1).sum(-1, dtype=np.int64)

    def mask(self, t, k):
        """The visible pixels of object k on frame t, uint8 [H, W]."""
        return np.unpackbits(self.bits[t, k], axis=-1)


def synthetic(tachi, seed, frames, clips=1_000_000, family="all", size=256):
    """The clips of `tachi synth`."""
    return stream([tachi, "synth", "--stream", "--size", f"{size}x{size}", "--jobs", "1"], seed, clips, frames, family)


def natural(material, seed, frames, clips=1_000_000, family="all"):
    """The clips of natural.py from a folder of material."""
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "natural.py")
    return stream([sys.executable, program, "--material", material], seed, clips, frames, family)


def stream(program, seed, clips, frames, family):
    """Yields clips of a generator as they come."""
    command = ["nice", *program, "--seed", str(seed), "--clips", str(clips), "--frames", str(frames), "--family", family]
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=1 << 20) as process:
        try:
            for _ in range(clips):
                line = process.stdout.readline()
                if not line:
                    raise EOFError(f"the generator ended early: {' '.join(command)}")
                header = json.loads(line)
                t, h, w = header["frames"], header["height"], header["width"]
                k = header["objects"] if isinstance(header["objects"], int) else len(header["objects"])
                frame = h * w * (3 + k)
                data = np.frombuffer(read(process.stdout, t * frame), np.uint8).reshape(t, frame)
                rgb = data[:, : h * w * 3].reshape(t, h, w, 3).copy()
                yield Clip(header, rgb, data[:, h * w * 3 :].reshape(t, k, h, w))
        finally:
            process.terminate()


def read(pipe, n):
    data = pipe.read(n)
    if len(data) != n:
        raise EOFError(f"the generator ended within a clip: {len(data)} of {n} bytes")
    return data


class Pool:
    """The latest clips of a generator, at most `size` of them; once it is full, a new one is made for every `uses` samples."""

    def __init__(self, clips, size, uses):
        self.clips, self.count, self.error = [], 0, None
        self.lock, self.due, self.each = threading.Lock(), 0.0, 1 / uses
        threading.Thread(target=self._fill, args=(clips, size), daemon=True).start()

    def _fill(self, clips, size):
        try:
            for clip in clips:
                with self.lock:
                    if len(self.clips) < size:
                        self.clips.append(clip)
                    else:
                        self.clips[self.count % size] = clip
                    self.count += 1
                if len(self.clips) == size:
                    while self.due < 1:
                        time.sleep(0.1)
                    with self.lock:
                        self.due -= 1
        except Exception as e:  # the trainer raises it from wait
            self.error = e

    def wait(self, n):
        """Returns once n clips are there."""
        while len(self.clips) < n:
            if self.error:
                raise self.error
            time.sleep(0.2)

    def sample(self, rng):
        if self.error:
            raise self.error
        with self.lock:
            self.due = min(self.due + self.each, 20)
            return self.clips[rng.integers(len(self.clips))]


class Mixture:
    """Pools, and with which chance each is sampled."""

    def __init__(self, pools, shares):
        self.pools, self.shares = pools, np.array(shares) / sum(shares)

    def wait(self, n):
        for p in self.pools:
            p.wait(n)

    def sample(self, rng):
        return self.pools[rng.choice(len(self.pools), p=self.shares)].sample(rng)


def turn(rng, natural):
    """Draws one of the eight symmetries of the square, as a function of arrays whose axes 1 and 2 are the picture's.

    Photographs are mostly left upright: the world has a top.
    """
    swap, up, left = rng.random(3) < ((0.06, 0.06, 0.5) if natural else 0.5)

    def apply(x):
        x = np.swapaxes(x, 1, 2) if swap else x
        x = x[:, ::-1] if up else x
        return x[:, :, ::-1] if left else x

    return apply


def tint(rng, rgb, natural):
    """Changes the brightness, contrast and the order of the colours of a whole clip."""
    if rng.random() < (0.12 if natural else 0.3):
        rgb = rgb[..., rng.permutation(3)]
    if rng.random() < 0.5:
        table = (np.arange(256) - 128) * rng.uniform(0.7, 1.3) + 128 + rng.uniform(-25, 25)
        rgb = table.clip(0, 255).astype(np.uint8)[rgb]
    return rgb


def choose(rng, areas, n, least):
    """Draws n of the objects with at least `least` visible pixels, different ones while there are enough; None without any."""
    seen = np.flatnonzero(areas >= least)
    if len(seen) == 0:
        return None
    return np.concatenate([rng.permutation(seen) for _ in range(-(-n // len(seen)))])[:n]


def middle(mask):
    """The mean row and column of a mask that is not empty."""
    rows, columns = mask.sum(1), mask.sum(0)
    return np.array([(x * np.arange(len(x))).sum() / x.sum() for x in (rows, columns)])


def crop(rng, masks, side):
    """Draws the first row and column of a crop near an object: masks uint8 [T, H, W], not empty on the first frame.

    It is near where the object is on the first frame, or between that and where it is last seen.
    """
    size = np.array(masks.shape[1:])
    at, seen = middle(masks[0]), np.flatnonzero(masks.any((1, 2)))
    at = at + rng.random() * 0.6 * (middle(masks[seen[-1]]) - at) + rng.uniform(-0.3, 0.3, 2) * side
    return np.clip(at - side / 2, 0, size - side).astype(int)


def batch(pool, rng, clips, objects, indices, side, least=40):
    """Draws clips and objects, frames given by indices(rng, length), and crops of side x side pixels.

    Returns rgb uint8 [T, B, side, side, 3], masks uint8 [T, B*objects, side, side], where object n belongs to clip
    n // objects, and labels uint8 [T, B, side, side]: some object at each pixel, 0 for none.
    """
    rgbs, masks, labels = [], [], []
    while len(rgbs) < clips:
        clip = pool.sample(rng)
        at = indices(rng, len(clip.rgb))
        first = choose(rng, clip.area[at[0]], 1, least)
        if first is None:
            continue
        every = np.stack([np.stack([clip.mask(t, k) for t in at]) for k in range(clip.bits.shape[1])])  # [K, T, H, W]
        y, x = crop(rng, every[first[0]], side) if side < every.shape[-1] else (0, 0)
        every, rgb = every[..., y : y + side, x : x + side], clip.rgb[at, y : y + side, x : x + side]
        chosen = choose(rng, every[:, 0].sum((1, 2)), objects, least)
        if chosen is None:
            continue
        photographed = clip.family in NATURAL
        same = turn(rng, photographed)
        rgbs.append(np.ascontiguousarray(tint(rng, same(rgb), photographed)))
        masks.extend(np.ascontiguousarray(same(every[k])) for k in chosen)
        label = np.zeros_like(every[0])
        for k, mask in enumerate(every):
            label[mask > 0] = k + 1
        labels.append(np.ascontiguousarray(same(label)))
    return tuple(torch.from_numpy(np.stack(x, 1)) for x in (rgbs, masks, labels))


def boxes(masks):
    """The tight boxes of masks [N, H, W]: float [N, 4] as x0, y0, x1, y1, the outer edges of the pixels as in --box; zeros without one."""
    n, h, w = masks.shape
    out = torch.zeros(n, 4)
    rows, cols = masks.amax(2), masks.amax(1)
    for i in range(n):
        y, x = rows[i].nonzero(), cols[i].nonzero()
        if len(y):
            out[i] = torch.tensor([x[0], y[0], x[-1] + 1, y[-1] + 1], dtype=torch.float32)
    return out


def box_points(box):
    """Boxes [N, 4] as the two corner points of the prompt encoder: coordinates [N, 2, 2], labels 2 and 3."""
    return box.reshape(-1, 2, 2), torch.tensor([[2, 3]], dtype=torch.int32, device=box.device).expand(len(box), 2)


def jitter(rng, box, size, amount=0.1, most=20):
    """Moves every edge by up to a tenth of the side, as a hand would."""
    side = torch.stack([box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]], 1).repeat(1, 2)
    noise = torch.from_numpy(rng.normal(0, amount, box.shape).astype(np.float32)) * side
    return (box + noise.clamp(-most, most)).clamp(0, size)


def clicks(rng, masks):
    """One pixel inside each mask [N, H, W]: coordinates [N, 1, 2], labels 1."""
    out = torch.zeros(len(masks), 1, 2)
    for i, m in enumerate(masks):
        inside = m.flatten().nonzero()
        p = int(inside[rng.integers(len(inside))])
        out[i, 0] = torch.tensor([p % m.shape[1], p // m.shape[1]], dtype=torch.float32)
    return out, torch.ones(len(masks), 1, dtype=torch.int32)
