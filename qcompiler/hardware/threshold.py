"""A table of steps found by binary search: pairs with ``templates/threshold.v.j2``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from qcompiler.errors import GraphError
from qcompiler.hardware.render import ENV, hex_rom
from qcompiler.ir.search import StepSearch


@dataclass(frozen=True)
class ThresholdUnit(StepSearch):
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
    ) -> ThresholdUnit:
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

    # ---- codes ----------------------------------------------------------------------------------

    @property
    def common(self) -> bool:
        """All channels have one table."""
        return all(codes == self.table[0] for codes in self.table)

    @property
    def code_depth(self) -> int:
        return (1 if self.common else self.words) << self.stages

    @property
    def word_steps(self) -> int:
        """Registers that carry the word: as far as the last ROM that is addressed by it."""
        by_word = self.offset is None and not self.common
        return self.steps if by_word else self.steps - 2

    def widened(self, count: str) -> str:
        """The count in ``out_bits`` bits."""
        extra = self.out_bits - self.stages
        return f"{{{extra}'d0, {count}}}" if extra else count

    def code_address(self, lane: int) -> str:
        """Where the code ROM is read."""
        parts = [] if self.common or self.words == 1 else [f"word{self.steps - 1}_q"]
        parts += [f"count{lane}_{self.stages}"] if self.stages else []
        return f"{{{', '.join(parts)}}}" if len(parts) > 1 else parts[0]

    # ---- memories -------------------------------------------------------------------------------

    def stage_file(self, stage: int, lane: int) -> str:
        return f"mem/{self.name}_s{stage}_l{lane}.hex"

    def code_file(self, lane: int) -> str:
        return f"mem/{self.name}_code_l{lane}.hex"

    def stage_words(self, stage: int, lane: int) -> list[int]:
        """Entry ``word * 2**stage + c``: the threshold that splits the counts that begin with c."""
        half = 1 << (self.stages - 1 - stage)
        size = (1 << self.stages) - 1
        out = []
        for word in range(self.words):
            row = self.thresholds[word * self.lanes + lane]
            padded = row + (self.never,) * (size - len(row))
            out += [padded[(2 * c + 1) * half - 1] for c in range(1 << stage)]
        return out

    def code_words(self, lane: int) -> list[int]:
        """Entry ``word * 2**stages + count``, or ``count`` where all channels share a table."""
        out: list[int] = []
        for word in range(1 if self.common else self.words):
            row = self.table[word * self.lanes + lane]
            out += row + (row[-1],) * ((1 << self.stages) - len(row))
        return out

    def memories(self) -> dict[str, str]:
        """ROM file name → text."""
        out = {
            self.stage_file(stage, lane): hex_rom(self.stage_words(stage, lane), self.x_bits)
            for stage in range(self.stages)
            for lane in range(self.lanes)
        }
        if self.offset is None:
            for lane in range(self.lanes):
                out[self.code_file(lane)] = hex_rom(self.code_words(lane), self.out_bits)
        return out

    def verilog(self) -> str:
        """The text of module ``name``; it instantiates `qc_threshold_stage`."""
        return ENV.get_template("threshold.v.j2").render(u=self)
