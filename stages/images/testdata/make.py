"""Writes the pictures of this folder, and beside each the RGB that Pillow makes of it (NAME.rgb.png).

    python make.py          (Pillow 11 or newer; any libjpeg-turbo gives these pixels)
"""
import os
import struct
import zlib

import numpy as np
from PIL import Image

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(7)


def scene(w, h):
    """Smooth colours, sharp edges and some noise: what chroma upsampling and rounding show on."""
    y, x = np.mgrid[0:h, 0:w].astype(float)
    a = np.stack([128 + 127 * np.sin(x / 5 + y / 9), 255 * (x / w), 255 * (y / h)], -1)
    a[h // 3 : h // 2, w // 4 : w // 2] = (255, 0, 40)
    a[:, w // 2 : w // 2 + 2] = (0, 250, 10)
    return np.clip(a + rng.normal(0, 6, a.shape), 0, 255).astype(np.uint8)


def keep(name):
    path = os.path.join(here, name)
    rgb = Image.open(path).convert("RGB")
    rgb.save(os.path.join(here, os.path.splitext(name)[0] + ".rgb.png"), optimize=True)


def write(image, name, **how):
    image.save(os.path.join(here, name), **how)
    keep(name)


colour = Image.fromarray(scene(48, 32))
odd = Image.fromarray(scene(37, 23))
write(colour, "j420.jpg", quality=80, subsampling="4:2:0")
write(colour, "j444.jpg", quality=90, subsampling="4:4:4")
write(odd, "j422odd.jpg", quality=70, subsampling="4:2:2", progressive=True)
write(odd, "j420odd.jpg", quality=75, subsampling="4:2:0")
write(odd.convert("L"), "jgray.jpg", quality=85)
write(odd.convert("CMYK"), "jcmyk.jpg", quality=85)

small = Image.fromarray(scene(19, 11))
alpha = Image.fromarray(np.dstack([scene(19, 11), rng.integers(0, 256, (11, 19), dtype=np.uint8)]), "RGBA")
write(small, "prgb.png")
write(alpha, "prgba.png")
write(small.convert("L"), "pgray.png")
write(alpha.convert("LA"), "pgrayalpha.png")
write(small.quantize(11), "ppalette.png")
write(small.quantize(11), "ppalettetransparent.png", transparency=3)
write(small.convert("1"), "pone.png")


def png16(path, a):
    """Writes 16-bit RGB, which Pillow reads but does not write. a is uint16 [h, w, 3]."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in a)
    head = struct.pack(">IIBBBBB", a.shape[1], a.shape[0], 16, 2, 0, 0, 0)
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


png16(os.path.join(here, "p16.png"), rng.integers(0, 65536, (5, 7, 3), dtype=np.uint16))
keep("p16.png")
