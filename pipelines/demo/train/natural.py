"""Clips of photographed objects that move over photographs, written as `tachi synth --stream` writes its own.

    python natural.py --material material/train --seed 1 --clips 100 --frames 16 > clips

A clip is a background, objects, a camera, and what a sensor and a coder do to the picture. A background is a photograph,
a texture, or a real sequence with the object that is in it. An object is a cut-out photograph, an object of a sequence
with its own motion, an animated model, or a shape of one's own making, jointed or not, filled with a piece of a
photograph; at times with a piece of the very background. Each bends, turns in depth, is lit, throws a shadow, smears as
it moves, and may come in several copies. Cameras stand, pan, shake, or follow the first object.

The picture is that of a film of aspect `wide`, squeezed into a square, as the network sees it. Lengths are in units of the
film's height. Everything follows from the seed and the material.
"""

import argparse
import glob
import json
import os
import sys

import cv2
import numpy as np

cv2.setNumThreads(1)

SIZE = 256


def uniform(rng, low, high):
    return float(rng.uniform(low, high))


def logarithmic(rng, low, high):
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def chance(rng, p):
    return rng.random() < p


# Material.


class Material:
    """A folder of cutouts/*.png with alpha, backgrounds/*.jpg, textures/*.jpg, sequences/NAME/{frames,masks}, and moving/*.npz."""

    def __init__(self, folder):
        def find(pattern):
            return sorted(glob.glob(os.path.join(folder, pattern)))

        self.cutouts, self.backgrounds, self.textures = find("cutouts/*.png"), find("backgrounds/*.jpg"), find("textures/*.jpg")
        self.sequences, self.moving = find("sequences/*"), find("moving/*.npz")
        self.kept = {}

    def keep(self, path, read, most=600):
        """What read(path) gives; the last ones stay in memory."""
        if path not in self.kept:
            if len(self.kept) >= most:
                self.kept.pop(next(iter(self.kept)))
            self.kept[path] = read(path)
        return self.kept[path]

    def cutout(self, rng):
        return self.keep(self.cutouts[rng.integers(len(self.cutouts))], read_cutout)

    def photograph(self, rng, texture=0.25):
        paths = self.textures if self.textures and chance(rng, texture) else self.backgrounds
        return self.keep(paths[rng.integers(len(paths))], read_rgb)

    def sequence(self, rng):
        return self.keep(self.sequences[rng.integers(len(self.sequences))], read_sequence)

    def mover(self, rng):
        return self.keep(self.moving[rng.integers(len(self.moving))], read_moving)


def read_rgb(path):
    return cv2.cvtColor(cv2.imread(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_cutout(path):
    """RGBA, colours multiplied by alpha, trimmed to what can be seen, sides of 320 at most."""
    x = cv2.cvtColor(cv2.imread(path, cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
    return trim(x)


def trim(x, most=320):
    ys, xs = np.nonzero(x[..., 3] > 20)
    x = x[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    scale = most / max(x.shape[:2])
    x = (x.astype(np.float32) * (x[..., 3:] / 255.0) ** [1, 1, 1, 0]).astype(np.uint8)
    if scale < 1:
        x = cv2.resize(x, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return x


def read_sequence(folder):
    """Frames [T, 320, W, 3] and masks [T, 320, W] of a sequence."""
    frames, masks = [], []
    for path in sorted(glob.glob(os.path.join(folder, "frames", "*.jpg"))):
        frame = read_rgb(path)
        mask = cv2.imread(os.path.join(folder, "masks", os.path.basename(path)[:-4] + ".png"), cv2.IMREAD_UNCHANGED)
        mask = (mask if mask.ndim == 2 else mask.max(-1)) > 0
        scale = 320 / frame.shape[0]
        frames.append(cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        masks.append(cv2.resize(mask.astype(np.uint8) * 255, frames[-1].shape[1::-1], interpolation=cv2.INTER_AREA))
    return np.stack(frames), np.stack(masks)


def read_moving(path):
    """The coded frames of a model."""
    with np.load(path) as f:
        return np.split(f["png"], f["ends"][:-1])


def decode(coded):
    return cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)


# Motion.


def wave(rng, t, amplitude, slow=40, fast=6):
    """A smooth curve about 0: three sines."""
    out = np.zeros(len(t))
    for share in (0.6, 0.3, 0.1):
        out += share * np.sin(2 * np.pi * t / logarithmic(rng, fast, slow) + uniform(rng, 0, 7))
    return amplitude * out


def path(rng, t, speed, start):
    """A smooth path [T, 2] from `start` on, of about `speed` a frame."""
    way = uniform(rng, 0, 2 * np.pi) + np.cumsum(rng.normal(0, uniform(rng, 0, 0.25), len(t)))
    pace = speed * np.exp(wave(rng, t, uniform(rng, 0, 0.8)))
    if chance(rng, 0.15):  # stands still for a while
        pace = pace * np.clip(np.abs(t - uniform(rng, 0, t[-1])) / 4 - 0.5, 0, 1)
    step = np.stack([np.cos(way) * 1.4, np.sin(way) * 0.7], 1) * pace[:, None]
    return start + np.cumsum(step, 0)


# Objects.


def blob(rng, n=64, rough=None):
    """A closed outline [n, 2] about 0, of radius 1 at most: a random star-shaped one, often concave."""
    a = np.arange(n) * 2 * np.pi / n
    rough = uniform(rng, 0.1, 0.6) if rough is None else rough
    r = np.ones(n)
    for k in range(1, int(rng.integers(3, 9))):
        r += rough * rng.normal() / k**0.7 * np.cos(k * a + uniform(rng, 0, 7))
    r = np.maximum(r, 0.15)
    p = np.stack([np.cos(a), np.sin(a)], 1) * (r / r.max())[:, None]
    return p * [1, uniform(rng, 0.4, 1)]


def filled(rng, outline, picture, h, w, scale=None):
    """A piece of a photograph within an outline of pixels, as RGBA multiplied by alpha."""
    scale = scale or logarithmic(rng, 0.4, 2)
    need_h, need_w = max(8, int(h / scale)), max(8, int(w / scale))
    ph, pw = picture.shape[:2]
    y, x = int(rng.integers(max(1, ph - need_h))), int(rng.integers(max(1, pw - need_w)))
    piece = cv2.resize(picture[y : y + need_h, x : x + need_w], (w, h), interpolation=cv2.INTER_LINEAR)
    alpha = np.zeros((h, w), np.uint8)
    cv2.fillPoly(alpha, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return np.dstack([cv2.multiply(piece, cv2.merge([alpha] * 3), scale=1 / 255), alpha])


class Thing:
    """An object: its picture on every frame, in its own pixels, and how it lies in the film.

    parts is a list of (pictures, anchor, joint, swing): pictures RGBA one or one per frame, anchor the pixel that lies at
    the joint, joint where that is on the body in units of the body's size, swing the angles of the joint on every frame.
    """

    def __init__(self, parts, t):
        self.parts, self.t = parts, t


def still(picture, t):
    return Thing([([picture], np.array(picture.shape[1::-1]) / 2, np.zeros(2), np.zeros(len(t)))], t)


def running(pictures, t):
    return Thing([(pictures, np.array(pictures[0].shape[1::-1]) / 2, np.zeros(2), np.zeros(len(t)))], t)


def shape(rng, t, picture, jointed):
    """An object of one's own making: a blob with or without limbs, filled with pieces of one picture."""
    side = 160
    scale = logarithmic(rng, 0.5, 2)
    parts = []
    body = (blob(rng) * 0.48 + 0.5) * side
    whole = filled(rng, body, picture, side, side, scale)
    if jointed:
        rate = logarithmic(rng, 6, 30)
        for i in range(int(rng.integers(2, 6))):
            long, thick = uniform(rng, 0.35, 0.9) * side, uniform(rng, 0.1, 0.3) * side
            h, w = int(thick) + 4, int(long) + 4
            outline = blob(rng, 32, 0.15) * [0.48, 0.7] * [w, h] + [w / 2, h / 2]
            limb = filled(rng, np.clip(outline, 1, [w - 2, h - 2]), picture, h, w, scale)
            at = uniform(rng, 0, 2 * np.pi)
            swing = at + uniform(rng, 0.1, 0.7) * np.sin(2 * np.pi * t / rate + uniform(rng, 0, 7))
            parts.append(([limb], np.array([0.12 * w, h / 2]), np.array([np.cos(at), np.sin(at) * 0.6]) * 0.3, swing))
    parts.insert(int(rng.integers(len(parts) + 1)), ([whole], np.array([side / 2, side / 2]), np.zeros(2), np.zeros(len(t))))
    thing = Thing(parts, t)
    thing.side = side
    return thing


def sequence_object(rng, frames, masks, t):
    """The object of a sequence, cut out, with its own motion about its middle; None where it is small or cut off."""
    pace = float(rng.choice([0, 0.5, 1, 1, 1, 2])) * (1 if chance(rng, 0.5) else -1)
    n = len(frames)
    at = reflect(uniform(rng, 0, n) + pace * t, n)
    pictures = []
    boxes = []
    for i in at:
        ys, xs = np.nonzero(masks[i] > 127)
        if len(ys) < 300:
            return None
        boxes.append((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
    boxes = np.array(boxes)
    half = int(np.max(np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]))) // 2 + 3
    for i, b in zip(at, boxes):
        cx, cy = (b[0] + b[2]) // 2, (b[1] + b[3]) // 2
        m = np.float32([[1, 0, half - cx], [0, 1, half - cy]])
        alpha = cv2.erode(masks[i], np.ones((3, 3), np.uint8))
        alpha = cv2.GaussianBlur(alpha, (3, 3), 0)
        x = np.dstack([cv2.multiply(frames[i], cv2.merge([alpha] * 3), scale=1 / 255), alpha])
        x = cv2.warpAffine(x, m, (2 * half, 2 * half))
        pictures.append(x)
    return running(pictures, t)


def reflect(i, n):
    """Frame numbers of any real i: to the end and back."""
    i = np.abs(np.round(np.mod(i, 2 * n - 2))).astype(int)
    return np.where(i >= n, 2 * n - 2 - i, i)


def thing(rng, material, t, background):
    """Draws an object."""
    kind = rng.choice(["cutout", "sequence", "moving", "shape", "jointed"], p=[0.28, 0.1, 0.36, 0.1, 0.16])
    if kind == "moving" and material.moving:
        pictures = material.mover(rng)
        pace = float(rng.choice([0.5, 1, 1, 2])) * (1 if chance(rng, 0.85) else -1)
        at = np.mod(np.round(uniform(rng, 0, len(pictures)) + pace * t), len(pictures)).astype(int)
        pictures = {i: decode(pictures[i]) for i in set(at.tolist())}
        return running([pictures[i] for i in at.tolist()], t)
    if kind == "sequence" and material.sequences:
        made = sequence_object(rng, *material.sequence(rng), t)
        if made:
            return made
    if kind in ("shape", "jointed"):
        picture = background if background is not None and chance(rng, 0.4) else material.photograph(rng, 0.5)
        return shape(rng, t, picture, kind == "jointed")
    return still(material.cutout(rng), t)


def harmonise(rng, thing, background):
    """Draws how the object's colours change to suit the background: a table per channel for colours not multiplied by alpha."""
    x = np.concatenate([p[0][0].reshape(-1, 4)[::7] for p in thing.parts]).astype(np.float32)
    x = x[x[:, 3] > 200][:, :3]
    if len(x) < 10:
        return np.ones(3), np.zeros(3)
    y = background.reshape(-1, 3)[:: 97].astype(np.float32)
    strength = uniform(rng, 0, 0.9) if chance(rng, 0.6) else 0
    gain = (1 - strength) + strength * np.clip(y.std(0) / (x.std(0) + 8), 0.5, 1.5)
    shift = strength * (y.mean(0) - x.mean(0) * gain) * uniform(rng, 0.2, 0.9)
    light = logarithmic(rng, 0.6, 1.4)
    return gain * light, shift


class Body:
    """An object in the film: its place, size and form on every frame."""

    def __init__(self, rng, thing, where, height, gain, depth):
        t = thing.t
        self.thing, self.where, self.depth = thing, where, depth
        self.colour = gain
        box = np.array(thing.parts[0][0][0].shape[1::-1]) if not hasattr(thing, "side") else np.array([thing.side] * 2)
        self.unit = height / float(np.sqrt(box[0] * box[1]))  # film units per pixel of the picture
        self.box = box
        self.flip = -1 if chance(rng, 0.5) else 1
        calm = chance(rng, 0.4)
        self.turn = wave(rng, t, uniform(rng, 0, 0.15 if calm else 0.5)) + (uniform(rng, -0.08, 0.08) * t if chance(rng, 0.12) else 0)
        self.turn += uniform(rng, -3, 3) if chance(rng, 0.1) else 0
        self.size = np.exp(wave(rng, t, uniform(rng, 0, 0.25)) + uniform(rng, -0.015, 0.015) * (t - t[0]) * (1 if chance(rng, 0.4) else 0))
        self.yaw = wave(rng, t, uniform(rng, 0, 0.3 if calm else 0.9), 60, 12)  # a turn in depth: narrower, and wedge-shaped
        self.shear = wave(rng, t, uniform(rng, 0, 0.2))
        self.bends = [(uniform(rng, 0, 0.02 if calm else 0.07), rng.normal(0, 1, 2) * 4, logarithmic(rng, 5, 30), uniform(rng, 0, 7), rng.normal(0, 1, 2))
                      for _ in range(int(rng.integers(0, 4)))]
        self.ramp = rng.normal(0, 0.25, 2) if chance(rng, 0.5) else None
        self.shadow = (uniform(rng, 0.2, 0.6), uniform(rng, -0.3, 0.3), uniform(rng, 0.02, 0.25)) if chance(rng, 0.35) else None
        self.soft = uniform(rng, 0, 0.9)
        self.see_through = uniform(rng, 0.6, 0.95) if chance(rng, 0.03) else 1

    def matrix(self, k, part, film):
        """The affine map from the pixels of a part's picture to those of the frame on frame k."""
        _, anchor, joint, swing = part
        c, s = np.cos(swing[k]), np.sin(swing[k])
        inner = np.array([[c, -s], [s, c]])
        shift = joint * self.box - inner @ anchor if np.any(joint) or len(self.thing.parts) > 1 else -np.array(self.box) / 2
        c, s = np.cos(self.turn[k]), np.sin(self.turn[k])
        form = np.array([[c, -s], [s, c]]) @ np.array([[self.flip * np.cos(self.yaw[k]), self.shear[k]], [0, 1]])
        form = form * self.unit * self.size[k]
        outer = film.scale[:, None] * form
        m = np.zeros((2, 3))
        m[:, :2] = outer @ inner
        m[:, 2] = outer @ shift + film.place(self.where[k], k, self.depth)
        return m

    def draw(self, k, film):
        """The object on frame k: RGBA multiplied by alpha within a rectangle of the frame, and its corner; None outside."""
        total, pad = None, 6
        maps = [self.matrix(k, p, film) for p in self.thing.parts]
        corners = []
        for m, p in zip(maps, self.thing.parts):
            h, w = picture(p, k).shape[:2]
            corners.append(np.array([[0, 0], [w, 0], [0, h], [w, h]]) @ m[:, :2].T + m[:, 2])
        corners = np.concatenate(corners)
        grow = pad + 0.15 * (corners.max(0) - corners.min(0)).max() * (len(self.bends) > 0)
        low = np.maximum(np.floor(corners.min(0) - grow), -40).astype(int)
        high = np.minimum(np.ceil(corners.max(0) + grow), SIZE + 40).astype(int)
        w, h = high - low
        if w < 3 or h < 3 or (high < 0).any() or (low > SIZE).any():
            return None
        span = np.sqrt(((corners.max(0) - corners.min(0)) ** 2).mean()) + 1
        for m, p in zip(maps, self.thing.parts):
            src = picture(p, k)
            m = m.copy()
            m[:, 2] -= low
            shrink = np.sqrt(abs(np.linalg.det(m[:, :2]))) + 1e-6
            if shrink < 0.6:  # against aliasing
                f = max(shrink * 1.3, 8 / min(src.shape[:2]), 0.02)
                if f < 1:
                    before = src.shape
                    src = cv2.resize(src, None, fx=f, fy=f, interpolation=cv2.INTER_AREA)
                    m[:, :2] = m[:, :2] * [before[1] / src.shape[1], before[0] / src.shape[0]]
            if abs(np.linalg.det(m[:, :2])) < 1e-4:
                continue
            inv = cv2.invertAffineTransform(m)
            if self.bends:
                x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
                cx, cy = (self.centre(k, film) - low)
                u, v = (x - cx) / span, (y - cy) / span
                dx, dy = 0, 0
                for amount, way, period, phase, direction in self.bends:
                    s = np.sin(u * way[0] + v * way[1] + (2 * np.pi * self.thing.t[k] / period + phase)) * (amount * span)
                    dx, dy = dx + s * direction[0], dy + s * direction[1]
                x, y = x + dx, y + dy
                mx = (inv[0, 0] * x + inv[0, 1] * y + inv[0, 2]).astype(np.float32)
                my = (inv[1, 0] * x + inv[1, 1] * y + inv[1, 2]).astype(np.float32)
                one = cv2.remap(src, mx, my, cv2.INTER_LINEAR)
            else:
                one = cv2.warpAffine(src, m, (int(w), int(h)), flags=cv2.INTER_LINEAR)
            if total is None:
                total = one.astype(np.float32)
            else:
                total = total * (1 - one[..., 3:] / 255.0) + one
        if total is None:
            return None
        gain, shift = self.colour
        alpha = total[..., 3:] / 255
        rgb = total[..., :3] * gain.astype(np.float32) + shift.astype(np.float32) * alpha
        if self.ramp is not None:
            y, x = np.mgrid[0:h, 0:w].astype(np.float32)
            rgb *= np.clip(1 + self.ramp[0] * (x / w - 0.5) + self.ramp[1] * (y / h - 0.5), 0.3, 1.7)[..., None]
        total = np.dstack([np.clip(rgb, 0, 255 * alpha), total[..., 3]])
        smear = film.smear(self, k)
        if smear is not None:
            total = cv2.filter2D(total, -1, smear, borderType=cv2.BORDER_CONSTANT)
        if self.soft > 0.3:
            total = cv2.GaussianBlur(total, (0, 0), self.soft)
        return total, low

    def centre(self, k, film):
        return film.place(self.where[k], k, self.depth)


def picture(part, k):
    pictures = part[0]
    return pictures[k] if len(pictures) > 1 else pictures[0]


class Film:
    """The camera: where it looks on every frame, in units of the film's height, and how long its shutter is open."""

    def __init__(self, rng, t, wide):
        self.wide = wide
        self.scale = np.array([SIZE / wide, SIZE])
        self.look = np.zeros((len(t), 2))
        self.zoom, self.roll = np.ones(len(t)), np.zeros(len(t))
        self.shutter = uniform(rng, 0.2, 1.0) if chance(rng, 0.5) else 0

    def place(self, p, k, depth=1.0):
        """The pixel at which the film's point p is seen on frame k; what is nearer moves more."""
        q = (p - self.look[k] * depth) * self.zoom[k]
        return (q + [self.wide / 2, 0.5]) * self.scale

    def smear(self, body, k):
        """The kernel of the motion blur of a body on frame k."""
        return line(self.shutter * (body.centre(k, self) - body.centre(max(k - 1, 0), self)))


def line(way):
    """A kernel along a way of pixels; None where that is short."""
    length = float(np.hypot(*way))
    if length < 1.2:
        return None
    way = way * min(1, 21 / length)
    n = int(np.ceil(np.abs(way).max())) | 1
    k = np.zeros((n + 2, n + 2), np.float32)
    c = (n + 1) / 2
    p = np.round((np.array([[c, c]]) + np.outer([-0.5, 0.5], way)) * 16).astype(int)
    cv2.line(k, tuple(map(int, p[0])), tuple(map(int, p[1])), 1.0, 1, cv2.LINE_AA, 4)
    return k / max(k.sum(), 1e-6)


class Backdrop:
    """What is behind: a photograph under the camera, or a real sequence with its object."""

    def __init__(self, rng, material, t, film, real):
        self.film, self.mask = film, None
        self.ripple = (uniform(rng, 0.5, 3), rng.normal(0, 0.1, 2), logarithmic(rng, 6, 30)) if chance(rng, 0.15) and not real else None
        self.t = t
        if real:
            frames, masks = material.sequence(rng)
            pace = float(rng.choice([0.5, 1, 1, 1, 2])) * (1 if chance(rng, 0.5) else -1)
            at = reflect(uniform(rng, 0, len(frames)) + pace * t, len(frames))
            self.pictures, self.masks = frames[at], masks[at]
            h, w = frames.shape[1:3]
            film.wide, film.scale = w / h, np.array([SIZE * h / w, SIZE])
            share = 1 if chance(rng, 0.4) else uniform(rng, 0.6, 1)
            ys, xs = np.nonzero(self.masks[0] > 127)
            middle = np.array([xs.mean() if len(xs) else w / 2, ys.mean() if len(ys) else h / 2]) / h
            room = np.array([w / h, 1]) * (1 - share) / 2
            base = np.clip(middle - np.array([w / h, 1]) / 2 + rng.normal(0, 0.08, 2), -room, room)
            self.base, self.share = base, share
            film.zoom[:] = 1
            film.look *= 0.3
        else:
            p = material.photograph(rng)
            self.pictures = None
            share = uniform(rng, 0.35, 0.9)  # of the photograph's height that the film shows
            h, w = p.shape[:2]
            share = min(share, 0.95 * w / (h * film.wide))
            need = 1.15 * SIZE / share
            if h > need:
                p = cv2.resize(p, (max(8, int(w * need / h)), int(need)), interpolation=cv2.INTER_AREA)
            if chance(rng, 0.5):
                p = p[:, ::-1]
            h, w = p.shape[:2]
            self.picture, self.share = np.ascontiguousarray(p), share
            room = np.array([w / h - film.wide * share, 1 - share]) / 2
            self.base = rng.uniform(-1, 1, 2) * np.maximum(room, 0)

    def draw(self, k):
        film = self.film
        p = self.picture if self.pictures is None else self.pictures[k]
        h, w = p.shape[:2]
        c, s = np.cos(film.roll[k]), np.sin(film.roll[k])
        # frame pixel -> film -> photograph
        inner = h * self.share / film.zoom[k] * np.array([[c, -s], [s, c]]) / film.scale
        m = np.zeros((2, 3))
        m[:, :2] = inner
        middle = np.array([w / 2, h / 2]) + h * (self.base + self.share * film.look[k])
        m[:, 2] = middle - inner @ np.array([SIZE / 2, SIZE / 2])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        if self.pictures is not None and (m[:, :2] > 1.3).any():
            p = cv2.GaussianBlur(p, (0, 0), 0.5)
        if self.ripple:
            amount, way, period = self.ripple
            x, y = np.meshgrid(np.arange(SIZE, dtype=np.float32), np.arange(SIZE, dtype=np.float32))
            s = amount * np.sin(way[0] * x + way[1] * y + 2 * np.pi * self.t[k] / period)
            x, y = x + s, y + 0.5 * s
            out = cv2.remap(p, (m[0, 0] * x + m[0, 1] * y + m[0, 2]).astype(np.float32), (m[1, 0] * x + m[1, 1] * y + m[1, 2]).astype(np.float32),
                            cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        else:
            out = cv2.warpAffine(p, m, (SIZE, SIZE), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
        if self.pictures is not None:
            self.mask = cv2.warpAffine(self.masks[k], m, (SIZE, SIZE), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
        elif film.shutter:
            smear = line(film.shutter * (film.place(np.zeros(2), k) - film.place(np.zeros(2), max(k - 1, 0))))
            if smear is not None:
                out = cv2.filter2D(out, -1, smear, borderType=cv2.BORDER_REFLECT)
        return out


def sensor(rng, frames):
    """What light, lens, sensor and coder do to a clip, in place."""
    t = np.arange(len(frames))
    gain = np.exp(wave(rng, t, uniform(rng, 0, 0.15)) + uniform(rng, -0.35, 0.3))
    gamma, mix = logarithmic(rng, 0.75, 1.3), uniform(rng, 0.5, 1.3)
    blur = uniform(rng, 0.4, 1.3) if chance(rng, 0.3) else 0
    noise = uniform(rng, 0, 8) if chance(rng, 0.5) else 0
    quality = int(rng.integers(20, 90)) if chance(rng, 0.6) else 0
    grey = chance(rng, 0.04)
    coarse = uniform(rng, 0.45, 0.9) if chance(rng, 0.2) else 0
    grain = rng.normal(0, 1, (SIZE + 64, SIZE + 64, 3)).astype(np.float32) if noise else None
    for k, f in enumerate(frames):
        table = np.clip(255 * (np.arange(256) / 255) ** gamma * gain[k], 0, 255).astype(np.uint8)
        x = cv2.LUT(f, table)
        g = cv2.cvtColor(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        x = cv2.addWeighted(x, 0 if grey else mix, g, 1 if grey else 1 - mix, 0)
        if coarse:
            x = cv2.resize(cv2.resize(x, None, fx=coarse, fy=coarse, interpolation=cv2.INTER_AREA), (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
        if blur:
            x = cv2.GaussianBlur(x, (0, 0), blur)
        if noise:
            dy, dx = rng.integers(64, size=2)
            x = np.clip(x + noise * grain[dy : dy + SIZE, dx : dx + SIZE], 0, 255).astype(np.uint8)
        if quality:
            x = cv2.imdecode(cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
        frames[k] = x


FAMILIES = ("natural-easy", "natural-occlusion", "natural-crossing", "natural-exit")


def clip(material, family, seed, frames):
    """Draws a clip: rgb uint8 [T, S, S, 3] and masks uint8 [T, K, S, S], the target first."""
    rng = np.random.default_rng([seed, FAMILIES.index(family)])
    for _ in range(20):
        rgb, masks = attempt(rng, material, family, frames)
        if masks[0, 0].sum() >= 60:
            break
    return rgb, masks


def attempt(rng, material, family, frames):
    t = np.arange(frames, dtype=np.float64)
    film = Film(rng, t, float(rng.choice([16 / 9, 16 / 9, 4 / 3, 1, 9 / 16], p=[0.4, 0.25, 0.2, 0.1, 0.05])))
    real = bool(material.sequences) and chance(rng, 0.18)
    speed = logarithmic(rng, 0.003, 0.05)
    where = path(rng, t, speed, np.zeros(2))
    middle = frames // 2
    if family == "natural-exit":  # out on one side at half time, and back
        side = np.array([film.wide * 0.5 + 0.25, 0.2]) * rng.choice([-1, 1], 2)
        bump = np.exp(-(((t - middle) / uniform(rng, 1.5, frames / 5)) ** 2))
        where = where * 0.4 + bump[:, None] * side * uniform(rng, 0.8, 1.2)
    else:
        where = where - where.mean(0) * uniform(rng, 0.5, 1)
        most = np.array([film.wide, 1.0]) * 0.45
        where = most * np.tanh(where / most)
    where = where + rng.uniform(-0.3, 0.3, 2) * [film.wide, 1]
    # the camera
    mode = rng.choice(["stands", "follows", "free"], p=[0.3, 0.4, 0.3])
    drift = path(rng, t, logarithmic(rng, 0.002, 0.04), np.zeros(2)) if mode != "stands" else np.zeros((frames, 2))
    if mode == "follows" and family != "natural-exit":
        where = where + (path(rng, t, logarithmic(rng, 0.01, 0.09), np.zeros(2)) if chance(rng, 0.7) else 0)
        smooth = where - where[0]
        lag = uniform(rng, 0.7, 1)
        film.look = smooth * lag
    elif mode == "free":
        film.look = drift - drift[middle] * 0.5
        where = where + film.look * uniform(rng, 0.4, 1)
    if chance(rng, 0.4):
        film.look = film.look + np.stack([wave(rng, t, uniform(rng, 0, 0.02), 12, 3) for _ in range(2)], 1)
    if chance(rng, 0.5):
        film.zoom = np.exp(wave(rng, t, uniform(rng, 0, 0.25), 80, 20))
        film.roll = wave(rng, t, uniform(rng, 0, 0.06), 60, 10)
    backdrop = Backdrop(rng, material, t, film, real)
    plain = backdrop.picture if backdrop.pictures is None else backdrop.pictures[0]

    bodies = []
    area = logarithmic(rng, 0.004, 0.22)

    def add(height, where, thing_=None, depth=1.0):
        made = thing_ or thing(rng, material, t, plain if backdrop.pictures is None else None)
        bodies.append(Body(rng, made, where, height, harmonise(rng, made, plain), depth))
        return bodies[-1]

    height = np.sqrt(area * film.wide / 0.5)
    target = None
    if not real:
        target = add(height, where)
    few = 0.5 if real else 1
    behind, before = [], []
    if family == "natural-crossing" or chance(rng, 0.15):
        source = target.thing if target else None
        for _ in range(int(rng.integers(1, 4))):
            other = where[middle] + path(rng, t, logarithmic(rng, 0.005, 0.05), np.zeros(2))
            other = other - other[middle] + where[middle] + rng.normal(0, 0.05, 2) if chance(rng, 0.6) else other + rng.uniform(-0.5, 0.5, 2)
            b = add(height * logarithmic(rng, 0.75, 1.3), other, source)
            if source is not None:
                b.colour = target.colour
                if chance(rng, 0.6):
                    b.flip = target.flip
            (before if chance(rng, 0.5) else behind).append(b)
    for _ in range(int(rng.integers(0, 4) * few)):  # others
        p = path(rng, t, logarithmic(rng, 0.001, 0.04), rng.uniform(-0.5, 0.5, 2) * [film.wide, 1])
        b = add(np.sqrt(logarithmic(rng, 0.004, 0.12) * film.wide / 0.5), p + film.look * float(chance(rng, 0.3)))
        (before if chance(rng, 0.3) else behind).append(b)
    if family == "natural-occlusion" or chance(rng, 0.2):
        for _ in range(int(rng.integers(1, 3))):  # in the target's way
            at = where[middle] if not real else rng.uniform(-0.3, 0.3, 2) * [film.wide, 1]
            if chance(rng, 0.5):  # stands in the world, near the camera
                depth = uniform(rng, 1, 1.6)
                p = np.repeat((at - film.look[middle] + depth * film.look[middle])[None], frames, 0)
            else:
                depth = 1.0
                p = path(rng, t, logarithmic(rng, 0.02, 0.09), np.zeros(2))
                p = p - p[middle] + at + (film.look - film.look[middle])
            b = add(height * logarithmic(rng, 0.6, 1.8), p, None, depth)
            before.append(b)
    order = behind + ([target] if target else []) + before
    objects = ([target] if target else ["real"]) + [b for b in bodies if b is not target]
    objects = objects[:7]

    rgb = np.empty((frames, SIZE, SIZE, 3), np.uint8)
    masks = np.zeros((frames, len(objects), SIZE, SIZE), np.uint8)
    for k in range(frames):
        canvas = backdrop.draw(k).astype(np.float32)
        owner = np.zeros((SIZE, SIZE), np.int16)  # 1 + number of the object that is seen
        if backdrop.mask is not None:
            owner[backdrop.mask > 127] = 1
        for b in order:
            if b not in objects:
                continue
            drawn = b.draw(k, film)
            if drawn is None:
                continue
            x, low = drawn
            a, z = np.maximum(low, 0), np.minimum(low + x.shape[1::-1], SIZE)
            if (z <= a).any():
                continue
            x = x[a[1] - low[1] : z[1] - low[1], a[0] - low[0] : z[0] - low[0]]
            view, own = canvas[a[1] : z[1], a[0] : z[0]], owner[a[1] : z[1], a[0] : z[0]]
            alpha = x[..., 3:] * (b.see_through / 255)
            if b.shadow:
                dark, dx, dy = b.shadow
                h, w = alpha.shape[:2]
                m = np.float32([[1, 0, dx * w * 0.3], [0, 0.6, dy * h + 0.4 * h]])
                s = cv2.GaussianBlur(cv2.warpAffine(alpha[..., 0], m, (w, h)), (0, 0), max(1.0, 0.04 * h))
                view *= 1 - dark * s[..., None]
            view *= 1 - alpha
            view += x[..., :3] * b.see_through
            own[alpha[..., 0] > 0.5] = 1 + objects.index(b)
        rgb[k] = np.clip(canvas, 0, 255).astype(np.uint8)
        for i in range(len(objects)):
            masks[k, i] = owner == i + 1
    sensor(rng, rgb)
    if real and chance(rng, 0.5):
        rgb, masks = rgb[:, :, ::-1], masks[..., ::-1]
    return rgb, masks


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--material", required=True)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--clips", type=int, default=1)
    p.add_argument("--frames", type=int, default=16)
    p.add_argument("--family", default="all", choices=("all", *FAMILIES))
    args = p.parse_args()
    material = Material(args.material)
    out = sys.stdout.buffer
    for i in range(args.clips):
        family = FAMILIES[i % 4] if args.family == "all" else args.family
        seed = args.seed + (i // 4 if args.family == "all" else i)
        rgb, masks = clip(material, family, seed, args.frames)
        header = {"seed": seed, "family": family, "frames": args.frames, "width": SIZE, "height": SIZE, "objects": masks.shape[1], "target": 1}
        out.write(json.dumps(header).encode() + b"\n")
        for f, m in zip(rgb, masks):
            out.write(np.ascontiguousarray(f).tobytes() + np.ascontiguousarray(m).tobytes())
        out.flush()


if __name__ == "__main__":
    main()
