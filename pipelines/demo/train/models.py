"""Draws the animated models of 0 A.D. (animals, people, riders, machines; CC BY-SA 3.0) as running cut-outs for natural.py.

    python models.py --zip packages/0ad-data/usr/share/games/0ad/mods/public/public.zip --out material

An actor is a mesh with bones, a texture, animations, and props, actors again, at named points of it. Every drawing is one
actor in one of its animations, seen from some side that turns slowly, on 24 frames. Actors are divided by the hashes of
their names, so that training, validation and test have different ones.
"""

import argparse
import ctypes
import hashlib
import io
import os
import struct
import subprocess
import tempfile
import zipfile
from xml.etree import ElementTree

import cv2
import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
FRAMES, SIDE = 24, 192


def matrices(states):
    """Positions and quaternions [N, 7] as [N, 4, 4]."""
    p, (x, y, z, w) = states[:, :3], states[:, 3:].T
    m = np.zeros((len(states), 4, 4))
    m[:, :3, :3] = np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                             [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                             [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]]).transpose(2, 0, 1)
    m[:, :3, 3], m[:, 3, 3] = p, 1
    return m


class Mesh:
    """A PMD file, version 3 or 4."""

    def __init__(self, data):
        magic, version, _, n = struct.unpack_from("<4sIII", data)
        assert magic == b"PSMD" and version in (3, 4), (magic, version)
        at, uvs = 16, 1
        if version == 4:
            uvs, at = struct.unpack_from("<I", data, 16)[0], 20
        kind = np.dtype([("p", "<f4", 3), ("n", "<f4", 3), ("uv", "<f4", (uvs, 2)), ("bones", "u1", 4), ("weights", "<f4", 4)])
        v = np.frombuffer(data, kind, n, at)
        at += n * kind.itemsize
        self.p, self.n, self.uv, self.bones, self.weights = v["p"], v["n"], v["uv"][:, 0], v["bones"], v["weights"]
        (m,) = struct.unpack_from("<I", data, at)
        self.faces = np.ascontiguousarray(np.frombuffer(data, "<u2", 3 * m, at + 4).reshape(m, 3))
        at += 4 + 6 * m
        (b,) = struct.unpack_from("<I", data, at)
        self.count = b
        self.bind = matrices(np.frombuffer(data, "<f4", 7 * b, at + 4).reshape(b, 7).astype(float))
        at += 4 + 28 * b
        (k,) = struct.unpack_from("<I", data, at)
        at += 4
        self.places = {}
        for _ in range(k):
            (length,) = struct.unpack_from("<I", data, at)
            name = data[at + 4 : at + 4 + length].decode()
            at += 4 + length
            self.places[name.lower()] = (matrices(np.frombuffer(data, "<f4", 7, at)[None].astype(float))[0], data[at + 28])
            at += 29

    def pose(self, bones):
        """Points and normals under the matrices of the bones [B, 4, 4]; None for a mesh without bones."""
        if bones is None or not self.count:
            return self.p.astype(float), self.n.astype(float)
        m = np.concatenate([bones @ np.linalg.inv(self.bind), np.eye(4)[None]])
        index = np.minimum(self.bones, self.count)
        weights = np.where(self.bones == 255, 0, self.weights)
        weights = weights / np.maximum(weights.sum(1, keepdims=True), 1e-6)
        blend = np.einsum("nk,nkij->nij", weights, m[index])
        p = np.einsum("nij,nj->ni", blend[:, :3, :3], self.p) + blend[:, :3, 3]
        return p, np.einsum("nij,nj->ni", blend[:, :3, :3], self.n)


def animation(data):
    """A PSA file: the matrices of the bones [F, B, 4, 4]."""
    magic, version, _ = struct.unpack_from("<4sII", data)
    (length,) = struct.unpack_from("<I", data, 12)
    at = 16 + length
    _, bones, frames = struct.unpack_from("<fII", data, at)
    assert magic == b"PSSA" and len(data) >= at + 12 + 28 * bones * frames, (magic, version, bones, frames)
    keys = np.frombuffer(data, "<f4", 7 * bones * frames, at + 12).reshape(-1, 7).astype(float)
    return matrices(keys).reshape(frames, bones, 4, 4)


def picture(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")).copy()


class Game:
    """The archive."""

    def __init__(self, path):
        self.zip = zipfile.ZipFile(path)
        self.names = {n.lower(): n for n in self.zip.namelist()}
        self.kept = {}

    def read(self, *names):
        for n in names:
            if n.lower() in self.names:
                return self.zip.read(self.names[n.lower()])
        raise KeyError(names[0])

    def keep(self, name, make):
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]

    def mesh(self, file):
        base = "art/meshes/" + file
        return self.keep(base, lambda: Mesh(self.read(base + ".cached.pmd", base)))

    def animation(self, file):
        base = "art/animation/" + file
        return self.keep(base, lambda: animation(self.read(base + ".cached.psa", base)))

    def texture(self, file):
        base = "art/textures/skins/" + file
        return self.keep(base, lambda: picture(self.read(base + ".cached.dds", base)))


class Actor:
    """One choice among an actor's variants: mesh, texture, animations by name, and props by place."""

    def __init__(self, game, file, rng, depth=0):
        self.mesh, self.texture, self.animations, props = None, None, {}, {}
        self.material = ""
        root = ElementTree.fromstring(game.read("art/actors/" + file))
        if root.tag == "qualitylevels":
            level = root.find("actor")
            if level.get("file"):
                root = ElementTree.fromstring(game.read("art/actors/" + level.get("file")))
            else:
                root = level

        def take(variant, all_of_it):
            if variant.get("file"):
                take(ElementTree.fromstring(game.read("art/variants/" + variant.get("file"))), all_of_it)
            for a in variant.findall("animations/animation"):
                if a.get("file"):
                    self.animations.setdefault(a.get("name").lower(), []).append(a.get("file"))
            if not all_of_it:
                return
            if variant.findtext("mesh"):
                self.mesh = game.mesh(variant.findtext("mesh").strip())
            for t in variant.findall("textures/texture"):
                if t.get("name") == "baseTex":
                    self.texture = game.texture(t.get("file"))
            for p in variant.findall("props/prop"):
                props[p.get("attachpoint").lower()] = p.get("actor")

        for group in root.findall("group"):
            variants = group.findall("variant")
            weights = np.array([float(v.get("frequency") or 0) for v in variants]) + 1e-3
            chosen = rng.choice(len(variants), p=weights / weights.sum())
            for i, v in enumerate(variants):
                take(v, i == chosen)
        self.material = root.findtext("material") or ""
        self.props = {}
        for place, prop in props.items():
            if prop and depth < 3:
                try:
                    self.props[place] = Actor(game, prop, rng, depth + 1)
                except (KeyError, AssertionError, struct.error, ElementTree.ParseError):
                    pass

    def parts(self, game, name, share, to, own=None):
        """Yields mesh, points, normals, texture, material at a share of an animation's time, under the matrix `to`."""
        bones = None
        if self.mesh is None:
            return
        if self.mesh.count:
            files = [own] if own else self.animations.get(name) or next(iter(self.animations.values()), [])
            if files:
                keys = game.animation(files[0])
                if keys.shape[1] >= self.mesh.count:
                    at = share * len(keys)
                    bones = keys[int(at) % len(keys)][: self.mesh.count]
        if self.texture is not None:
            p, n = self.mesh.pose(bones)
            yield self.mesh, p @ to[:3, :3].T + to[:3, 3], n @ to[:3, :3].T, self.texture, self.material
        for place, prop in self.props.items():
            if place == "root" or place not in self.mesh.places:
                m = np.eye(4)
            else:
                m, bone = self.mesh.places[place]
                if bone != 255 and bone < self.mesh.count:
                    m = (bones if bones is not None else self.mesh.bind)[bone] @ m
            yield from prop.parts(game, name, share, to @ m)


def library():
    """raster.c as a library."""
    path = os.path.join(tempfile.mkdtemp(), "raster.so")
    source = os.path.join(HERE, "raster.c")
    subprocess.run(["cc", "-O3", "-march=native", "-shared", "-fPIC", source, "-o", path, "-lm"], check=True)
    return ctypes.CDLL(path)


def draw(raster, game, actor, name, own, rng):
    """RGBA [FRAMES, SIDE, SIDE, 4], colours multiplied by alpha."""
    yaw, pitch = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(-3, 28))
    spin = rng.normal(0, 1.2) if rng.random() < 0.5 else 0  # over the whole
    light = rng.normal(0, 1, 3) + [0, 1.5, 0]
    light /= np.linalg.norm(light)
    tone, near = rng.uniform(0.35, 0.75), rng.uniform(2.2, 8)
    player = rng.integers(20, 236, 3)
    cycles = 1 if rng.random() < 0.7 else 2
    frames = [list(actor.parts(game, name, cycles * k / FRAMES, np.eye(4), own)) for k in range(FRAMES)]
    if not frames[0]:
        return None
    every = np.concatenate([p for f in frames for _, p, *_ in f])
    middle = (every.max(0) + every.min(0)) / 2
    radius = np.linalg.norm(every - middle, axis=1).max()
    out = []
    big = 2 * SIDE
    for k, parts in enumerate(frames):
        a = yaw + spin * k / FRAMES
        turn = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]) @ \
            np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
        x, depth = np.zeros((big, big, 4), np.uint8), np.full((big, big), 1e9, np.float32)
        for mesh, p, n, texture, material in parts:
            q = (p - middle) @ turn.T / radius
            z = near - q[:, 2]
            s = big * 0.49 * near / z * (1 - 0.5 / near)
            points = np.stack([big / 2 + q[:, 0] * s, big / 2 - q[:, 1] * s, z], 1).astype(np.float32)
            n = n / np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-6)
            shade = tone + (1.25 - tone) * np.maximum(n @ light, 0)
            attributes = np.ascontiguousarray(np.stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1], shade], 1).astype(np.float32))
            cut = 128 if "trans" in material and "player" not in material or "alpha" in material else 0
            if "player" in material:
                alpha = texture[..., 3:] / 255.0
                rgb = texture[..., :3] * alpha + player * (1 - alpha)  # where there is none, the player's colour
                texture = np.dstack([rgb, np.full(rgb.shape[:2], 255)]).astype(np.uint8)
            texture = np.ascontiguousarray(texture)
            points, attributes, faces, skin, image, far = (
                v.ctypes.data_as(ctypes.c_void_p) for v in (points, attributes, mesh.faces, texture, x, depth))
            raster.raster(points, attributes, faces, len(mesh.faces), skin, texture.shape[1], texture.shape[0], cut, image, far, big, big)
        x = cv2.resize((x * (x[..., 3:] > 0)).astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        out.append(x)
    return np.stack(out)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--zip", required=True)
    p.add_argument("--out", default="material")
    p.add_argument("--each", type=int, default=3, help="drawings of an actor")
    p.add_argument("--only", default="fauna/,units/", help="actors whose names begin so")
    p.add_argument("--most", type=int, default=10**6)
    args = p.parse_args()
    game, raster = Game(args.zip), library()
    files = sorted(n[11:] for n in game.zip.namelist() if n.startswith("art/actors/") and n.endswith(".xml"))
    files = [f for f in files if f.startswith(tuple(args.only.split(",")))]
    files.sort(key=lambda f: hashlib.sha256(f.encode()).hexdigest())
    done = 0
    for f in files[: args.most]:
        h = hashlib.sha256(f.encode()).hexdigest()
        which = "training" if int(h, 16) % 100 < 76 else "validation" if int(h, 16) % 100 < 86 else "test"
        rng = np.random.default_rng(int(h[:12], 16))
        os.makedirs(os.path.join(args.out, which, "moving"), exist_ok=True)
        for i in range(args.each):
            to = os.path.join(args.out, which, "moving", f"{h[:12]}-{i}.npz")
            if os.path.exists(to):
                continue
            try:
                actor = Actor(game, f, rng)
                names = [n for n in actor.animations if "death" not in n and "corpse" not in n] or [None]
                best = [n for n in names if n and any(w in n for w in ("walk", "run", "trot", "gallop", "swim", "fly"))]
                name = str(rng.choice(best if best and rng.random() < 0.6 else names))
                files_ = actor.animations.get(name) or [None]
                x = draw(raster, game, actor, name, files_[rng.integers(len(files_))], rng)
            except (KeyError, AssertionError, struct.error, ElementTree.ParseError, AttributeError, ValueError) as e:
                print(f, repr(e)[:100], flush=True)
                continue
            if x is None or (x[..., 3] > 127).sum((1, 2)).min() < 400:
                continue
            ys, xs = np.nonzero(x[..., 3].max(0))
            x = x[:, ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
            coded = [cv2.imencode(".png", cv2.cvtColor(f, cv2.COLOR_RGBA2BGRA))[1] for f in x]
            np.savez(to + ".partial.npz", png=np.concatenate([c.ravel() for c in coded]), ends=np.cumsum([c.size for c in coded]))
            os.replace(to + ".partial.npz", to)
            done += 1
    print(done, "drawn")


if __name__ == "__main__":
    main()
