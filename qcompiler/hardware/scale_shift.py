"""Parameters and ROM of one `qc_scale_shift` instance (rtl/qc_scale_shift.v)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from qcompiler.errors import GraphError
from qcompiler.hardware.render import hex_rom
from qcompiler.hardware.slot_tree import width_of

CODE_BITS = 31  # LO and HI are 32-bit parameters of either sign


@dataclass(frozen=True)
class ScaleShiftUnit:
    """``code = clamp((x * m[c] + r[c]) >> n, lo, hi)`` for ``lanes`` channels a beat; >> floors."""

    name: str
    m: tuple[int, ...]  # [C]
    r: tuple[int, ...]  # [C]
    n: int
    lo: int
    hi: int
    in_bits: int
    in_signed: bool
    out_bits: int
    lanes: int

    @classmethod
    def build(
        cls,
        name: str,
        *,
        m: NDArray[Any],
        r: NDArray[Any],
        n: int,
        lo: int,
        hi: int,
        in_bits: int,
        in_signed: bool,
        out_bits: int,
        lanes: int,
    ) -> ScaleShiftUnit:
        """Check the shapes.

        Args:
            m: Multipliers [C], of either sign.
            r: Offsets [C], any size; Python integers (dtype object) where 64 bits are too few.
            n: Bits shifted out, 0 or more.
            out_bits: Of the output type; it holds ``lo`` and ``hi``.
            lanes: Divides C.
        """
        if m.ndim != 1 or m.shape != r.shape or not len(m) or len(m) % lanes:
            raise GraphError(
                f"m {list(m.shape)} and r {list(r.shape)} must be [C] with C a multiple of"
                f" {lanes} lanes",
                where=name,
            )
        fits = lo >= -(1 << (out_bits - 1)) and hi < 1 << out_bits
        if n < 0 or lo > hi or not fits or out_bits > CODE_BITS:
            raise GraphError(
                f"cannot shift by {n} and clamp to [{lo}, {hi}] in {out_bits} bits", where=name
            )
        return cls(
            name, tuple(int(v) for v in m), tuple(int(v) for v in r), n, lo, hi,
            in_bits, in_signed, out_bits, lanes,
        )  # fmt: skip

    @property
    def words(self) -> int:
        """Beats of a pixel, and ROM entries."""
        return len(self.m) // self.lanes

    @property
    def m_bits(self) -> int:
        """Least two's-complement width of the multipliers."""
        return width_of(min(*self.m, -1), max(self.m))

    @property
    def r_bits(self) -> int:
        """Least two's-complement width of the offsets."""
        return width_of(min(*self.r, -1), max(self.r))

    @property
    def rom_file(self) -> str:
        return f"mem/{self.name}_scale.hex"

    def parameters(self) -> dict[str, Any]:
        """Parameters of the instance: integers, and text for MEM_FILE."""
        return {
            "LANES": self.lanes,
            "IN_BITS": self.in_bits,
            "IN_SIGNED": int(self.in_signed),
            "M_BITS": self.m_bits,
            "R_BITS": self.r_bits,
            "SHIFT": self.n,
            "OUT_BITS": self.out_bits,
            "LO": self.lo,
            "HI": self.hi,
            "WORDS": self.words,
            "MEM_FILE": self.rom_file,
        }

    def rom_words(self) -> list[int]:
        """Entry k holds the lanes of word k, lane 0 lowest, each with r above m."""
        m_bits, r_bits = self.m_bits, self.r_bits
        out = []
        for word in range(self.words):
            entry = 0
            for lane in reversed(range(self.lanes)):
                c = word * self.lanes + lane
                m = self.m[c] & ((1 << m_bits) - 1)
                r = self.r[c] & ((1 << r_bits) - 1)
                entry = (entry << (m_bits + r_bits)) | (r << m_bits) | m
            out.append(entry)
        return out

    def memories(self) -> dict[str, str]:
        """ROM file name → text."""
        width = self.lanes * (self.m_bits + self.r_bits)
        return {self.rom_file: hex_rom(self.rom_words(), width)}
