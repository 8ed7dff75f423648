"""What both searches of a step table have in common: its facts, and the ROM of its codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from numpy.typing import NDArray

from qcompiler.errors import GraphError
from qcompiler.hardware.render import hex_rom
from qcompiler.ir.search import StepSearch


@dataclass(frozen=True)
class StepTableUnit(StepSearch):
    """``code = table[c][#{k : x >= thresholds[c][k]}]`` for ``lanes`` channels a beat.

    ``thresholds`` is [C][K], ``table`` is [C][K + 1]. Thresholds are already bounded: none below
    the least x, and those that no x reaches at ``never``.
    """

    name: str
    thresholds: tuple[tuple[int, ...], ...]
    table: tuple[tuple[int, ...], ...]
    in_bits: int
    in_signed: bool
    x_bits: int  # of the comparison: in_bits, or one more where `never` needs it
    never: int
    out_bits: int
    lanes: int

    @classmethod
    def build(
        cls,
        name: str,
        *,
        thresholds: NDArray[Any],
        table: NDArray[Any],
        in_bits: int,
        in_signed: bool,
        in_hi: int,
        out_bits: int,
        lanes: int,
    ) -> Self:
        """Check the shapes and choose the width of the comparison.

        Args:
            thresholds: Integers [C, K], rising in each channel; those above ``in_hi`` mean never.
            table: Codes [C, K + 1].
            in_hi: The largest x.
            lanes: Divides C.
        """
        channels, count = thresholds.shape
        if table.shape != (channels, count + 1) or channels == 0 or channels % lanes:
            raise GraphError(
                f"thresholds {list(thresholds.shape)} and table {list(table.shape)} must be"
                f" [C, K] and [C, K + 1] with C a multiple of {lanes} lanes",
                where=name,
            )
        rows = [[int(t) for t in row] for row in thresholds]
        if any(row != sorted(row) for row in rows):
            raise GraphError("thresholds must rise in each channel", where=name)
        codes = tuple(tuple(int(t) for t in row) for row in table)
        flat = [code for row in codes for code in row]
        if min(flat) < -(1 << (out_bits - 1)) or max(flat) >= 1 << out_bits:
            raise GraphError(
                f"codes {min(flat)} to {max(flat)} do not fit in {out_bits} bits", where=name
            )
        least = -(1 << (in_bits - 1)) if in_signed else 0
        largest = least + (1 << in_bits) - 1
        if not least <= in_hi <= largest:
            raise GraphError(f"{in_hi} is no number of {in_bits} bits", where=name)
        full = count + 1 == 1 << count.bit_length()
        idle = not full or any(t > in_hi for row in rows for t in row)
        bounded = tuple(tuple(min(max(t, least), in_hi + 1) for t in row) for row in rows)
        x_bits = in_bits + int(idle and in_hi == largest)
        return cls(name, bounded, codes, in_bits, in_signed, x_bits, in_hi + 1, out_bits, lanes)

    @property
    def words(self) -> int:
        """Beats of a pixel."""
        return len(self.table) // self.lanes

    @property
    def word_bits(self) -> int:
        return max((self.words - 1).bit_length(), 1)

    def row(self, word: int, lane: int) -> tuple[int, ...]:
        """The 2^stages - 1 thresholds of a channel; what it has not is never reached."""
        row = self.thresholds[word * self.lanes + lane]
        return row + (self.never,) * ((1 << self.stages) - 1 - len(row))

    # ---- codes ----------------------------------------------------------------------------------

    @property
    def common(self) -> bool:
        """All channels have one table."""
        return all(codes == self.table[0] for codes in self.table)

    @property
    def code_depth(self) -> int:
        return (1 if self.common else self.words) << self.stages

    def widened(self, count: str) -> str:
        """The count in ``out_bits`` bits."""
        extra = self.out_bits - self.stages
        return f"{{{extra}'d0, {count}}}" if extra else count

    def code_file(self, lane: int) -> str:
        return f"mem/{self.name}_code_l{lane}.hex"

    def code_words(self, lane: int) -> list[int]:
        """Entry ``word * 2**stages + count``, or ``count`` where all channels share a table."""
        out: list[int] = []
        for word in range(1 if self.common else self.words):
            row = self.table[word * self.lanes + lane]
            out += row + (row[-1],) * ((1 << self.stages) - len(row))
        return out

    def code_memories(self) -> dict[str, str]:
        """ROM file name → text; none where the code is the count and an offset."""
        if self.offset is not None:
            return {}
        return {
            self.code_file(lane): hex_rom(self.code_words(lane), self.out_bits)
            for lane in range(self.lanes)
        }
