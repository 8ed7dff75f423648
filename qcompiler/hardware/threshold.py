"""A table of steps found by a pipelined search: pairs with ``templates/threshold.v.j2``."""

from __future__ import annotations

from dataclasses import dataclass, field

from qcompiler.hardware.render import ENV, hex_rom
from qcompiler.hardware.step_table import StepTableUnit


@dataclass(frozen=True)
class ThresholdUnit(StepTableUnit):
    """A stage for each bit of the count, one beat a cycle."""

    serial: bool = field(default=False, init=False)

    @property
    def word_steps(self) -> int:
        """Registers that carry the word: as far as the last ROM that is addressed by it."""
        by_word = self.offset is None and not self.common
        return self.steps if by_word else self.steps - 2

    def code_address(self, lane: int) -> str:
        """Where the code ROM is read."""
        parts = [] if self.common or self.words == 1 else [f"word{self.steps - 1}_q"]
        parts += [f"count{lane}_{self.stages}"] if self.stages else []
        return f"{{{', '.join(parts)}}}" if len(parts) > 1 else parts[0]

    def stage_file(self, stage: int, lane: int) -> str:
        return f"mem/{self.name}_s{stage}_l{lane}.hex"

    def stage_words(self, stage: int, lane: int) -> list[int]:
        """Entry ``word * 2**stage + c``: the threshold that splits the counts that begin with c."""
        half = 1 << (self.stages - 1 - stage)
        return [t for word in range(self.words) for t in self.row(word, lane)[half - 1 :: 2 * half]]

    def memories(self) -> dict[str, str]:
        """ROM file name → text."""
        searched = {
            self.stage_file(stage, lane): hex_rom(self.stage_words(stage, lane), self.x_bits)
            for stage in range(self.stages)
            for lane in range(self.lanes)
        }
        return searched | self.code_memories()

    def verilog(self) -> str:
        """The text of module ``name``; it instantiates `qc_threshold_stage`."""
        return ENV.get_template("threshold.v.j2").render(u=self)
