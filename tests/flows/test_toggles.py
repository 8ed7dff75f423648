"""Switched bits as the simulation counts them: beats of streams, and every net of a design."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcompiler.errors import ToolFailedError
from qcompiler.flows.bench import Beats, Bench, BenchResult
from qcompiler.flows.toggles import Counted, Toggles

HERE = Path(__file__).parent
SOURCE = HERE / "counting.v"


def counted(bench: Bench, words: list[int]) -> BenchResult:
    beats = Beats(words, [False] * (len(words) - 1) + [True])
    return bench.check({"s_axis": beats}, {"m_axis": beats}, watchdog=300)


@pytest.mark.sim
def test_streams_and_nets_are_counted_to_the_bit(tmp_path: Path) -> None:
    bench = Bench.build(
        dut="counting",
        sources=[SOURCE],
        inputs={"s_axis": 8},
        outputs={"m_axis": 8},
        build_dir=tmp_path,
        lint=False,  # three modules in a file
        toggles={"count": "count"},
    )
    result = counted(bench, [0x01, 0x03, 0xFF, 0xFF, 0x0F])
    for port in ("s_axis", "m_axis"):  # 01->03 1, ->ff 6, ->ff 0, ->0f 4; weights 1 2 8 8 4
        assert (result.streams[port].switched, result.streams[port].ones) == (11, 23)
    for beats in (1, 2, 37, 200):
        found = counted(bench, [0xA5] * beats)
        assert found.streams["m_axis"].switched == 0
        node = found.toggles["count"]
        assert node.stream == 4  # from 00 after the reset
        counter = sum(beats >> bit for bit in range(8))
        wide = 72 * beats
        valid, last, ready = 2, 1, 1
        assert node.logic == counter + wide + valid + last + ready
        assert "pass" not in found.toggles


def test_what_is_no_net_of_its_own() -> None:
    """Ports, second names, loop variables, lint's own wires."""
    found = Counted((SOURCE,), "counting", {})
    modules = found.modules()
    assert modules["counting"].instances == {"u_count": "counting_count", "u_pass": "counting_pass"}
    names = {"count_q", "data_q", "valid_q", "last_q", "wide_q", "again", "k", "unused", "clk"}
    assert names - modules["counting_count"].skipped == {"count_q", "wide_q"}


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    saif = tmp_path / "t.saif"
    saif.write_text("(SAIFILE\n (INSTANCE other\n  (NET\n   (a (T0 1) (T1 1) (TC 3))\n  )\n )\n)\n")
    with pytest.raises(ToolFailedError, match="no net of the design was counted"):
        Counted((SOURCE,), "counting", {}).read(saif)


SAIF = """(SAIFILE
(SAIFVERSION "2.0")
 (INSTANCE harness
  (NET
   (clk (T0 1) (T1 1) (TZ 0) (TX 0) (TB 0) (TC 99))
  )
  (INSTANCE dut
   (NET
    (count_tdata\\[0\\] (T0 1) (T1 1) (TZ 0) (TX 0) (TB 0) (TC 3))
    (count_tdata\\[1\\] (T0 1) (T1 1) (TZ 0) (TX 0) (TB 0) (TC 4))
    (count_tvalid (T0 1) (T1 1) (TZ 0) (TX 0) (TB 0) (TC 5))
   )
   (INSTANCE u_count
    (NET
     (clk (T0 1) (T1 1) (TZ 0) (TX 0) (TB 0) (TC 99))
     (data_q\\[0\\] (T0 1) (T1 1) (TZ 0) (TX 0) (TB 0) (TC 99))
     (count_q\\[7\\] (T0 1) (T1 1) (TZ 0) (TX 0) (TB 0) (TC 10))
    )
    (INSTANCE block
     (NET
      (wide_q\\[71\\] (T0 1) (T1 1) (TZ 0) (TX 0) (TB 0) (TC 20))
      (again\\[71\\] (T0 1) (T1 1) (TZ 0) (TX 0) (TB 0) (TC 99))
     )
    )
   )
  )
 )
)
"""


def test_a_net_counts_once_and_where_it_belongs(tmp_path: Path) -> None:
    saif = tmp_path / "t.saif"
    saif.write_text(SAIF)
    found = Counted((SOURCE,), "counting", {"count": "count"}).read(saif)
    assert found == {"count": Toggles(stream=7, logic=35)}
