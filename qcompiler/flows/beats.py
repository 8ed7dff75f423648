"""Beats of a stream as Python integers, and the files that the harness reads and writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Beats:
    """The beats of one stream: `tdata` as a non-negative integer, and `tlast`."""

    data: Sequence[int] | npt.NDArray[Any]
    last: Sequence[bool] | npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        if len(self.data) != len(self.last):
            raise ValueError(f"{len(self.data)} words of data but {len(self.last)} of last")

    def __len__(self) -> int:
        return len(self.data)

    def __add__(self, other: Beats) -> Beats:
        return Beats([*self.data, *other.data], [*self.last, *other.last])

    @classmethod
    def from_frames(cls, values: npt.ArrayLike, bits: int) -> Beats:
        """Pack `values[frames, beats, lanes]`, lane 0 lowest; a frame's final beat has last."""
        array = np.asarray(values)
        if array.ndim != 3:
            raise ValueError(f"expected values[frames, beats, lanes], got shape {array.shape}")
        frames, beats, lanes = array.shape
        data = pack(array.reshape(frames * beats, lanes), bits)
        return cls(data, ([False] * (beats - 1) + [True]) * frames if beats else [])

    def lanes(self, bits: int, lanes: int, signed: bool) -> npt.NDArray[np.int64]:
        """The values again, as [beats, lanes]."""
        return np.array([unpack(word, bits, lanes, signed) for word in self.data], dtype=np.int64)


def pack(values: npt.NDArray[Any], bits: int) -> list[int]:
    """Each row of `values[rows, lanes]` as one integer of `bits` two's-complement bits a lane."""
    rows, lanes = values.shape
    low, high = -(1 << (bits - 1)), (1 << bits) - 1
    if values.size and (int(values.min()) < low or int(values.max()) > high):
        raise ValueError(f"values in [{values.min()}, {values.max()}] do not fit in {bits} bits")
    if bits > 62:
        mask = (1 << bits) - 1
        return [sum((int(v) & mask) << (i * bits) for i, v in enumerate(row)) for row in values]
    planes = (values.astype(np.int64)[:, :, None] >> np.arange(bits)) & 1
    packed = np.packbits(
        planes.astype(np.uint8).reshape(rows, lanes * bits), axis=1, bitorder="little"
    )
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def unpack(word: int, bits: int, lanes: int, signed: bool) -> list[int]:
    """The lanes of one beat."""
    mask, half = (1 << bits) - 1, 1 << (bits - 1)
    values = [(word >> (i * bits)) & mask for i in range(lanes)]
    return [(v ^ half) - half for v in values] if signed else values


def write_beats(path: Path, beats: Beats, width: int, name: str) -> None:
    """One beat a line in hex, {last, data}."""
    if len(beats) and (min(beats.data) < 0 or max(beats.data) >> width):
        raise ValueError(f"{name}: a beat does not fit in {width} bits")
    with path.open("w") as file:
        file.writelines(
            f"{(bool(last) << width) | int(word):x}\n"
            for word, last in zip(beats.data, beats.last, strict=True)
        )


def read_beats(path: Path, width: int) -> Beats:
    """The inverse of `write_beats`."""
    words = [int(line, 16) for line in path.read_text().split()]
    return Beats([w & ((1 << width) - 1) for w in words], [bool(w >> width) for w in words])
