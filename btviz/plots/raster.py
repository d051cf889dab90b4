"""Points as one small picture: what a vector file need not hold a mark each of."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

from btviz.plots.theme import PAPER

_STEP = 8
"""Levels of a colour are rounded to multiples of this: unseen, and half the size of the file."""
_SAMPLES = 8
"""Along each side of a pixel, for the edge of a disc."""

Colours = npt.NDArray[np.float64]


def channels(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 .. 255, of ``#rrggbb``."""
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def rasterised(
    places: npt.NDArray[np.float64], colours: Colours, *, shape: tuple[int, int], radius: float, opacity: float
) -> npt.NDArray[np.uint8]:
    """Draw discs, and mix the colours of those that overlap in equal parts.

    Parameters
    ----------
    places : ndarray, shape (n, 2)
        Column and row of each centre, in pixels from the upper left corner; those outside the
        picture are left out.
    colours : ndarray, shape (n, 3)
        Red, green and blue, 0 .. 255.
    shape : tuple of int
        Rows and columns.
    radius : float
        Of a disc, in pixels.
    opacity : float
        Of one disc, 0 .. 1; overlapping ones cover more.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
        On white; the order of the points does not matter.
    """
    rows, columns = shape
    column, row = np.floor(places).astype(np.int64).T
    inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    pixel = (row * columns + column)[inside]
    weights = np.column_stack([np.ones(len(pixel)), colours[inside]])
    planes = [
        np.bincount(pixel, weights=each, minlength=rows * columns).astype(float).reshape(shape) for each in weights.T
    ]
    covered, *mixed = (_spread(plane, _disc(radius)) for plane in planes)
    clear = ((1 - opacity) ** covered)[..., None]
    mean = np.stack(mixed, axis=2) / np.maximum(covered, 1e-9)[..., None]
    drawn = clear * channels(PAPER) + (1 - clear) * mean
    return np.asarray(np.minimum(np.rint(drawn / _STEP) * _STEP, 255), np.uint8)


def _disc(radius: float) -> npt.NDArray[np.float64]:
    """Share of each pixel that a disc covers; it stands on the middle of the middle one."""
    reach = int(np.ceil(radius - 0.5))
    fine = (np.arange((2 * reach + 1) * _SAMPLES) + 0.5) / _SAMPLES - reach - 0.5
    inside = (fine[:, None] ** 2 + fine[None, :] ** 2 <= radius**2).astype(np.float64)
    side = 2 * reach + 1
    return np.asarray(inside.reshape(side, _SAMPLES, side, _SAMPLES).mean(axis=(1, 3)))


def _spread(plane: npt.NDArray[np.float64], disc: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What each pixel gets of the discs around it."""
    reach = len(disc) // 2
    rows, columns = plane.shape
    padded = np.pad(plane, reach)
    total = np.zeros_like(plane)
    for down, across in np.argwhere(disc > 0):
        total += disc[down, across] * padded[down : down + rows, across : across + columns]
    return total


def png(picture: npt.NDArray[np.uint8]) -> bytes:
    """A picture of shape (rows, columns, 3) as PNG (ISO/IEC 15948), without any time or name in it."""
    rows, columns, _ = picture.shape
    lines = np.zeros((rows, 1 + 3 * columns), np.uint8)  # a line begins with 0: no filter
    lines[:, 1:] = picture.reshape(rows, -1)
    header = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)  # 8 bits, red green blue
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
