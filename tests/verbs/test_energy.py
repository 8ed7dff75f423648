"""The verb energy: a network in simulation, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from qcompiler.cli import main
from qcompiler.estimate.energy import TABLE
from qcompiler.flows.layout import raster
from qcompiler.reference.integer import IntegerReference
from qcompiler.verbs.build import Build
from qcompiler.verbs.energy import EnergyReport, energy
from tests.conftest import Files
from tests.verbs.conftest import Capture, refused


def hamming(
    build: Build, wire: str, samples: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> int:
    """Bits that change between the beats of a raster stream, from the reference."""
    reference = IntegerReference(build.integer)
    stream = build.streams()[wire]
    codes = reference.trace(reference.encode(samples))[stream.tensor]
    words = raster(codes, stream.lanes).reshape(-1, stream.lanes) & (1 << stream.elem.bits) - 1
    return sum(int(v).bit_count() for v in (words[1:] ^ words[:-1]).ravel())


@pytest.mark.sim
def test_zeros_take_less_than_noise(files: Files, tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "build"
    shutil.copytree(files / "build", folder)
    build = Build.read(folder)
    noise = np.random.default_rng(3).normal(0, 1, (3, 2, 6, 6)).astype(np.float32)
    found: dict[str, EnergyReport] = {}
    for name, samples in (("zeros", 0 * noise), ("noise", noise)):
        found[name] = energy(folder, samples, toggles=True)
        nodes = {node.node: node for node in found[name].nodes}
        for wire, node in build.nodes().items():
            if wire == node and build.streams()[wire].order is None:
                want = hamming(build, wire, samples) / 3
                assert nodes[node].switched.stream == pytest.approx(want), wire
    zeros, noisy = found["zeros"].total, found["noise"].total
    assert zeros.energy < noisy.energy
    assert zeros.toggles is not None and noisy.toggles is not None
    assert zeros.toggles.logic < 0.8 * noisy.toggles.logic
    assert zeros.switched.logic < 0.8 * noisy.switched.logic
    source = found["zeros"].nodes[0]
    assert (source.op, source.switched.stream) == ("Source", 0.0)
    # what is inferred stays near what is counted; accesses are the same
    inferred = noisy.switched.stream + noisy.switched.logic
    counted = noisy.toggles.stream + noisy.toggles.logic
    assert inferred == pytest.approx(counted, rel=0.35)
    assert (noisy.switched.ram_read, noisy.switched.table) == (
        noisy.toggles.ram_read,
        noisy.toggles.table,
    )
    document = json.loads((folder / "energy.json").read_text())
    assert document["total"]["energy"] == noisy.energy and document["frames"] == 3
    assert document["constants"]["unit"] == "relative, not joules"
    np.savez(tmp_path / "noise.npz", images=noise)
    with pytest.raises(SystemExit) as caught:
        main(["energy", str(folder), "--inputs", str(tmp_path / "noise.npz"), "--toggles"])
    assert caught.value.code in (0, None)
    out = capsys.readouterr().out
    assert "relative, not joules" in out and "counted" in out and "conv1" in out
    assert f"energy per frame {noisy.toggles_energy:,.1f}" in out


def test_refusals(files: Files, tmp_path: Path, capsys: Capture) -> None:
    assert "not a build folder" in refused(["energy", tmp_path], capsys)
    build = files / "build"
    table = tmp_path / "own.toml"
    assert "cannot be read" in refused(["energy", build, "--constants", table], capsys)
    table.write_text(TABLE.read_text().replace("[logic]", "[magic]"))
    assert "logic, magic" in refused(["energy", build, "--constants", table], capsys)
    assert "--frames" in refused(["energy", build, "--frames", "0"], capsys)
    np.savez(tmp_path / "wrong.npz", images=np.zeros((3, 1, 6, 6), np.float32))
    error = refused(["energy", build, "--inputs", tmp_path / "wrong.npz"], capsys)
    assert "(N, 2, 6, 6)" in error
    assert "no.npz" in refused(["energy", build, "--inputs", tmp_path / "no.npz"], capsys)
    assert not (build / "energy.json").exists() and not (build / "sim").exists()
