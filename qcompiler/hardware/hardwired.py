"""The hard-wired engine: pairs with ``templates/hardwired.v.j2``.

The additions are planned by `qcompiler.ir.adder_graph`, their times by `qcompiler.ir.serial_plan`;
here are names, slices and counters.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from qcompiler.errors import GraphError
from qcompiler.estimate.parts import clog2
from qcompiler.hardware.render import ENV
from qcompiler.ir.adder_graph import Term
from qcompiler.ir.hardware.hardwired import Hardwired
from qcompiler.ir.serial_plan import SerialPlan
from qcompiler.ir.types import IntType


@dataclass(frozen=True)
class Adder:
    """An instance of `qc_serial_sum`: ``operands`` of it, first one low, and when it starts."""

    node: int
    time: int
    operands: tuple[str, ...]
    init: int


@dataclass(frozen=True, eq=False)
class HardwiredUnit:
    """All outputs of a window, a digit of each input a cycle.

    Args:
        name: Of the module.
        plan: The schedule.
        pe: Results of an output beat.
        simd: Inputs of an input beat.
    """

    name: str
    plan: SerialPlan = field(repr=False)
    pe: int
    simd: int

    @classmethod
    def of(cls, name: str, op: Hardwired, x: IntType) -> HardwiredUnit:
        """The unit of an op whose codes are of type ``x``.

        Raises:
            GraphError: ``pe`` or ``simd`` does not divide the outputs or inputs.
        """
        plan = op.plan(x)
        outputs, inputs = len(plan.graph.outputs), plan.graph.inputs
        if outputs % op.pe or inputs % op.simd:
            raise GraphError(
                f"{outputs} outputs of {inputs} inputs do not fold to {op.pe} × {op.simd}",
                where=name,
            )
        return cls(name, plan, op.pe, op.simd)

    # ---- counters --------------------------------------------------------------------------------

    @property
    def outputs(self) -> int:
        return len(self.plan.graph.outputs)

    @property
    def beats(self) -> int:
        """Input beats of a window."""
        return self.plan.graph.inputs // self.simd

    @property
    def words(self) -> int:
        """Output beats of a window."""
        return self.outputs // self.pe

    @property
    def beat_bits(self) -> int:
        return max(clog2(self.beats), 1)

    @property
    def word_bits(self) -> int:
        return max(clog2(self.words), 1)

    @property
    def phase_bits(self) -> int:
        return max(clog2(self.plan.period), 1)

    @property
    def entry_bits(self) -> int:
        return max(clog2(self.plan.entries), 1)

    # ---- inputs ----------------------------------------------------------------------------------

    def digits(self, node: int) -> str:
        """All digits of a held input, lowest first: its bits, then its sign or zeros."""
        bits, width = self.plan.act.bits, self.plan.entries * self.plan.digit
        low, kept = node * bits, min(bits, width)
        held = f"hold_q[{low + kept - 1}:{low}]"
        if width == kept:
            return held
        more = f"hold_q[{low + bits - 1}]" if self.plan.act.signed else "1'b0"
        return f"{{{{{width - kept}{{{more}}}}}, {held}}}"

    # ---- sums ------------------------------------------------------------------------------------

    def wait(self, node: int) -> range:
        """The times at which a node's digit is in a register of its own beyond the first."""
        start = self.plan.starts[node]
        return range(start + 1, self.plan.delays.get(node, start) + 1)

    @property
    def adders(self) -> list[Adder]:
        """The sums, in an order in which each comes after those that it reads."""
        found = []
        for node, terms in enumerate(self.plan.graph.sums, self.plan.graph.inputs):
            time = self.plan.read_at(node)
            operands = [self._operand(term, time) for term in terms]
            if len(operands) == 1:  # a number that is negated
                operands.append(f"{self.plan.digit}'d0")
            init = sum(term.sign < 0 for term in terms)
            found.append(Adder(node, time, tuple(operands), init))
        return found

    def _operand(self, term: Term, time: int) -> str:
        """The digit of a shifted node, inverted where it is subtracted."""
        digit = f"n{term.node}_{time}"
        if (term.node, time) in self.plan.histories:
            low = self.plan.histories[term.node, time] - term.shift
            digit = f"w{term.node}_{time}[{low + self.plan.digit - 1}:{low}]"
        return digit if term.sign > 0 else f"~{digit}"

    # ---- results ---------------------------------------------------------------------------------

    def result(self, output: int) -> str:
        """A whole result: the low bits of its node, and zeros."""
        term, bits = self.plan.graph.outputs[output], self.plan.acc_bits
        kept = 0 if term is None else bits - term.shift
        if term is None or kept < 1:
            return f"{bits}'d0"
        held = f"r{term.node}[{kept - 1}:0]"
        return f"{{{held}, {term.shift}'d0}}" if term.shift else held

    def memories(self) -> dict[str, str]:
        """None: the weights are wires."""
        return {}

    def verilog(self) -> str:
        """The text of module ``name``; it instantiates `qc_serial_sum`."""
        return ENV.get_template("hardwired.v.j2").render(u=self, plan=self.plan)
