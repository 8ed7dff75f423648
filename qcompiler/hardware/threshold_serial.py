"""A table of steps found a bit a cycle: pairs with ``templates/threshold_serial.v.j2``."""

from __future__ import annotations

from dataclasses import dataclass, field

from qcompiler.estimate.memory import block_rom
from qcompiler.hardware.render import ENV, hex_rom, hexlit
from qcompiler.hardware.step_table import StepTableUnit


@dataclass(frozen=True)
class SerialThresholdUnit(StepTableUnit):
    """One comparator and one ROM a lane, ``stages`` (at least 1) cycles a beat."""

    serial: bool = field(default=True, init=False)

    # ---- search ---------------------------------------------------------------------------------

    @property
    def search_depth(self) -> int:
        return self.words << self.stages - 1

    @property
    def search_bits(self) -> int:
        """Width of the ROM: both thresholds below a node, or the one that there is."""
        return self.x_bits * min(self.stages, 2)

    @property
    def rom_attribute(self) -> str:
        """Asks for block RAM where the cost model counts on it: see `block_rom`."""
        wanted = block_rom(self.search_bits, self.search_depth)
        return '(* rom_style = "block" *) ' if wanted else ""

    def search_address(self, lane: int, entry: str) -> str:
        """The address of an entry of this beat's word."""
        parts = [part for part in ("word_q" if self.words > 1 else "", entry) if part]
        return f"{{{', '.join(parts)}}}" if len(parts) > 1 else (parts or ["0"])[0]

    def search_file(self, lane: int) -> str:
        return f"mem/{self.name}_search_l{lane}.hex"

    def search_words(self, lane: int) -> list[int]:
        """Entry ``word * 2**(stages - 1) + node``: the thresholds of nodes 2n and 2n + 1.

        Thresholds are a heap with its root at node 1. Entry 0 has the root twice. A single stage
        has the root alone.
        """
        out: list[int] = []
        for word in range(self.words):
            row = self.row(word, lane)
            levels = [row[half - 1 :: 2 * half] for half in _halves(self.stages)]
            heap = [self.offset_binary(t) for level in levels for t in level]  # from node 1
            if self.stages == 1:
                out += heap
                continue
            pairs = [(heap[0], heap[0]), *zip(heap[1::2], heap[2::2], strict=True)]
            out += [low | high << self.x_bits for low, high in pairs]
        return out

    def offset_binary(self, threshold: int) -> int:
        """Signed values with the sign inverted, so that an unsigned comparison orders them."""
        return threshold + ((1 << self.x_bits - 1) if self.in_signed else 0)

    # ---- codes ----------------------------------------------------------------------------------

    def code(self, lane: int) -> str:
        """The code of the count that is whole with this comparison."""
        if self.offset is None:
            word = "" if self.common or self.words == 1 else "word_q, "
            return f"codes{lane}[{{{word}count{lane}}}]"
        counted = self.widened(f"count{lane}")
        return f"{counted} + {hexlit(self.offset, self.out_bits)}" if self.offset else counted

    def code_words(self, lane: int) -> list[int]:
        """As the base says, for the word before: the count of words is one ahead by then."""
        words = super().code_words(lane)
        last = 0 if self.common else 1 << self.stages
        return words[-last:] + words[:-last] if last else words

    def memories(self) -> dict[str, str]:
        """ROM file name → text."""
        searched = {
            self.search_file(lane): hex_rom(self.search_words(lane), self.search_bits)
            for lane in range(self.lanes)
        }
        return searched | self.code_memories()

    def verilog(self) -> str:
        """The text of module ``name``."""
        return ENV.get_template("threshold_serial.v.j2").render(u=self)


def _halves(stages: int) -> list[int]:
    """Half of what is left to search, level by level."""
    return [1 << level for level in reversed(range(stages))]
