"""Writes the reference figures of the data tests into fixtures/data: what Pillow and numpy make of small inputs.

Run from the repository root: python3 scripts/data-fixtures.py
"""

import base64
import io
import json
import pathlib
import struct
import zlib

import numpy as np
import PIL
from PIL import Image

OUT = pathlib.Path("fixtures/data")
VERSIONS = {"pillow": PIL.__version__, "numpy": np.__version__}


def b64(data):
    return base64.b64encode(bytes(data)).decode()


def write(name, value):
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / name).write_text(json.dumps({"versions": VERSIONS, **value}, indent=1) + "\n")


def resize_cases():
    """Random pixels (worst case for overshoot and rounding) resized up, down, and on one axis only."""
    rng = np.random.default_rng(20240)
    cases = []
    for mode, size, to in [
        ("RGB", (13, 9), (29, 17)),
        ("RGB", (40, 30), (11, 7)),
        ("RGB", (32, 32), (24, 24)),
        ("RGB", (17, 5), (17, 11)),
        ("RGB", (9, 21), (4, 21)),
        ("RGB", (1, 1), (4, 3)),
        ("RGB", (8, 8), (48, 48)),
        ("RGB", (3, 50), (50, 3)),
        ("L", (28, 28), (20, 33)),
        ("L", (61, 47), (5, 5)),
    ]:
        shape = (size[1], size[0]) + ((3,) if mode == "RGB" else ())
        # Half of the pixels at the extremes: clipping to 0 and 255 must happen in both passes.
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
        extreme = rng.integers(0, 2, shape, dtype=np.uint8) * 255
        pixels = np.where(rng.random(shape) < 0.5, pixels, extreme).astype(np.uint8)
        resized = Image.fromarray(pixels).resize(to, Image.BICUBIC)
        cases.append(
            {"channels": len(mode), "from": size, "to": to, "input": b64(pixels.tobytes()), "output": b64(resized.tobytes())}
        )
    return cases


def png16(pixels):
    """A 16-bit RGB or grey PNG, which Pillow cannot write."""
    height, width = pixels.shape[:2]
    colour = 2 if pixels.ndim == 3 else 0
    rows = b"".join(b"\0" + pixels[y].astype(">u2").tobytes() for y in range(height))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def decode_cases():
    y, x = np.mgrid[0:12, 0:16]
    rgb = np.stack([x * 16, y * 20, (x * y) % 256], -1).astype(np.uint8)
    image = Image.fromarray(rgb)
    alpha = image.copy()
    alpha.putalpha(Image.fromarray((x * 16).astype(np.uint8)))
    rotated = Image.Exif()
    rotated[0x112] = 6
    wide = np.stack([x * 4000, y * 5000, (x + y) * 2000], -1).astype(np.uint16)

    def saved(source, kind, **options):
        buffer = io.BytesIO()
        source.save(buffer, kind, **options)
        return buffer.getvalue()

    files = {
        "rgb.jpg": saved(image, "JPEG", quality=90),
        "progressive.jpg": saved(image, "JPEG", quality=60, progressive=True),
        "gray.jpg": saved(image.convert("L"), "JPEG"),
        "rotated-by-exif.jpg": saved(image, "JPEG", exif=rotated, quality=90),
        "cmyk.jpg": saved(image.convert("CMYK"), "JPEG", quality=95),
        "rgb.png": saved(image, "PNG"),
        "alpha.png": saved(alpha, "PNG"),
        "gray-alpha.png": saved(alpha.convert("LA"), "PNG"),
        "palette.png": saved(image.convert("P", palette=Image.ADAPTIVE, colors=16), "PNG"),
        "one-bit.png": saved(image.convert("1"), "PNG"),
        "sixteen-bit.png": png16(wide),
        "lossless.webp": saved(image, "WEBP", lossless=True),
        "first-frame.gif": saved(image.convert("P", palette=Image.ADAPTIVE, colors=16), "GIF"),
    }
    cases = []
    for name, data in files.items():
        rgb8 = Image.open(io.BytesIO(data)).convert("RGB")
        cases.append({"file": name, "bytes": b64(data), "rgb": b64(rgb8.tobytes())})
    return cases


def array_cases():
    """What numpy writes: dtypes, byte orders, Fortran order, format versions 1 to 3."""
    rng = np.random.default_rng(7)
    arrays = {
        "float32": rng.normal(size=(3, 2, 4)).astype("<f4"),
        "float64-fortran": np.asfortranarray(rng.normal(size=(3, 2, 4))),
        "float16": rng.normal(size=(2, 5)).astype("<f2"),
        "float32-big-endian": rng.normal(size=(2, 3)).astype(">f4"),
        "uint8": rng.integers(0, 256, (2, 3, 4), dtype=np.uint8),
        "uint8-fortran": np.asfortranarray(rng.integers(0, 256, (3, 4, 2), dtype=np.uint8)),
        "int8": rng.integers(-128, 128, (2, 3), dtype=np.int8),
        "int16": rng.integers(-(2**15), 2**15, (2, 3), dtype=np.int16),
        "uint16-big-endian": rng.integers(0, 2**16, (2, 3)).astype(">u2"),
        "int32": rng.integers(-(2**31), 2**31, (2, 3), dtype=np.int32),
        "uint32": rng.integers(0, 2**32, (2, 3), dtype=np.uint32),
        "int64": rng.integers(-(2**40), 2**40, (2, 3), dtype=np.int64),
        "bool": rng.integers(0, 2, (2, 3)).astype(bool),
        "one-dimension": rng.normal(size=(5,)).astype("<f4"),
    }
    cases = []
    for index, (name, array) in enumerate(arrays.items()):
        version = (1 + index % 3, 0)
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array, version=version)
        values = [float(v) for v in array.astype(np.float64).ravel(order="C")]
        cases.append({"name": name, "shape": array.shape, "version": version[0], "npy": b64(buffer.getvalue()), "values": values})
    images = rng.integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)
    labels = np.array([2, 0, 1, 2], dtype=np.int64)
    plain, packed = io.BytesIO(), io.BytesIO()
    np.savez(plain, images=images, labels=labels)
    np.savez_compressed(packed, x=images, y=labels)
    return {
        "npy": cases,
        "npz": [b64(plain.getvalue()), b64(packed.getvalue())],
        "npzImages": b64(images.tobytes()),
        "npzLabels": labels.tolist(),
    }


write("pillow-resize.json", {"cases": resize_cases()})
write("pillow-decode.json", {"cases": decode_cases()})
write("numpy-arrays.json", array_cases())
