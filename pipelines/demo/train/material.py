"""Gathers the pictures of natural.py from Debian packages: what material/*.txt lists, apart for training, validation and test.

    python material.py --packages packages --out material --sequences sequences

A line is a kind (cutouts, backgrounds, textures), a package, and a path in it; within public.zip of 0 A.D. and within the
resource files of GCompris too, whose pictures are numbered. `apt-get download` fetches the packages. The lists were made
once, by the names' hashes, and are kept: what trains is never tested on. Sequences are folders of frames/*.jpg and
masks/*.png; those named in HELD are for validation alone.
"""

import argparse
import glob
import hashlib
import io
import os
import re
import shutil
import subprocess
import zipfile

import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
HELD = ("goat", "drift-chicane")
LISTS = ("training", "validation", "test")


def unpack(packages, name):
    """The folder of a package's files, which is fetched where it is missing."""
    folder = os.path.join(packages, name)
    if not os.path.exists(folder):
        debs = os.path.join(packages, "debs")
        os.makedirs(debs, exist_ok=True)
        if not glob.glob(f"{debs}/{name}_*.deb"):
            subprocess.run(["apt-get", "download", "-q", name], cwd=debs, check=True)
        os.makedirs(folder + ".partial", exist_ok=True)
        subprocess.run(["dpkg-deb", "-x", glob.glob(f"{debs}/{name}_*.deb")[0], folder + ".partial"], check=True)
        os.rename(folder + ".partial", folder)
    return folder


def resources(data):
    """The WebP and JPEG pictures in a Qt resource file, each after its length."""
    for pattern, end in ((rb"RIFF(....)WEBPVP8", None), (rb"\xff\xd8\xff", b"\xff\xd9")):
        for m in re.finditer(pattern, data, re.S):
            at, size = m.start(), int.from_bytes(data[m.start() - 4 : m.start()], "big")
            if end is None and size == int.from_bytes(m[1], "little") + 8:
                yield data[at : at + size]
            elif end and 2000 < size < 5_000_000 and data[at + size - 2 : at + size] == end:
                yield data[at : at + size]


class Packages:
    def __init__(self, folder):
        self.folder, self.opened = folder, {}

    def read(self, package, path):
        """The bytes of a picture."""
        folder = unpack(self.folder, package)
        if path.startswith("rcc/"):
            name, number = re.fullmatch(r"rcc/(.*)-(\d+)\.\w+", path).groups()
            if name not in self.opened:
                with open(glob.glob(f"{folder}/usr/share/gcompris-qt/rcc/{name}.rcc")[0], "rb") as f:
                    self.opened[name] = list(resources(f.read()))
            return self.opened[name][int(number)]
        if path.startswith("public.zip/"):
            if "zip" not in self.opened:
                self.opened["zip"] = zipfile.ZipFile(folder + "/usr/share/games/0ad/mods/public/public.zip")
            return self.opened["zip"].read(path[11:])
        with open(os.path.join(folder, path), "rb") as f:
            return f.read()


def write(kind, data, to):
    """Writes a picture at the size that the generator wants: cut-outs with alpha, of 400 pixels; others of 800 in height."""
    x = Image.open(io.BytesIO(data))
    if kind == "cutouts":
        x = x.convert("RGBA")
        x.thumbnail((400, 400), Image.LANCZOS)
        if np.asarray(x)[..., 3].min() > 200:
            print("no alpha", to)
            return
        x.save(to + ".png")
    else:
        x = x.convert("RGBA")
        flat = Image.new("RGBA", x.size, (170, 190, 210, 255))
        flat.alpha_composite(x)
        scale = min(1, (512 if kind == "textures" else 800) / x.height)
        flat.convert("RGB").resize((round(x.width * scale), round(x.height * scale)), Image.LANCZOS).save(to + ".jpg", quality=93)


def main():
    Image.MAX_IMAGE_PIXELS = None
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--packages", default="packages", help="folder of unpacked packages")
    p.add_argument("--out", default="material", help="folder to write")
    p.add_argument("--sequences", help="folder of real sequences")
    args = p.parse_args()
    packages = Packages(args.packages)
    for which in LISTS:
        with open(os.path.join(HERE, "material", which + ".txt")) as f:
            lines = [line.rstrip("\n").split(" ", 2) for line in f]
        for kind, package, path in lines:
            folder = os.path.join(args.out, which, kind)
            os.makedirs(folder, exist_ok=True)
            name = hashlib.sha256(f"{package}/{path}".encode()).hexdigest()[:12]
            try:
                write(kind, packages.read(package, path), os.path.join(folder, name))
            except Exception as e:
                print(package, path, e)
    for folder in sorted(glob.glob(os.path.join(args.sequences, "*", ""))) if args.sequences else ():
        name = os.path.basename(folder[:-1])
        to = os.path.join(args.out, "validation" if name in HELD else "training", "sequences", name)
        shutil.copytree(folder, to, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
