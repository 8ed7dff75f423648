"""Widths that users ask for: checked at once, with words that name the place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qcompiler.errors import QCompilerError
from qcompiler.quant.config import LayerBits, QuantConfig, parse_weights, read_layer_table


@pytest.mark.parametrize("field", ["weights", "activations", "input_bits", "residual_bits"])
@pytest.mark.parametrize("value", [0, 9, -1, "x", 4.0, True, None])
def test_widths_from_1_to_8(field: str, value: Any) -> None:
    with pytest.raises(QCompilerError) as caught:
        QuantConfig(**{field: value})
    assert f"{value!r} is not a width from 1 to 8 bits" in str(caught.value)
    assert field.replace("_", " ") in str(caught.value)


def test_output_widths() -> None:
    for bits in (2, 16):
        QuantConfig(output_bits=bits)
    for bits in (1, 17):
        with pytest.raises(QCompilerError, match=r"output bits: .* from 2 to 16"):
            QuantConfig(output_bits=bits)


def test_layers_are_checked_by_name() -> None:
    with pytest.raises(QCompilerError, match=r"^conv1: weights: 9 is not a width"):
        QuantConfig(layers={"conv1": LayerBits(9)})
    with pytest.raises(QCompilerError, match=r"^fc: activations: 'x' is not a width"):
        QuantConfig(layers={"fc": LayerBits(4, "x")})  # type: ignore[arg-type]


def test_method_and_percentile() -> None:
    with pytest.raises(QCompilerError, match="'best' is unknown\n  hint: choose one of easyquant"):
        QuantConfig(method="best")
    for percentile in (50, 100.1, float("nan")):
        with pytest.raises(QCompilerError, match=r"outside \(50, 100\]"):
            QuantConfig(percentile=percentile)


def test_defaults_by_layer() -> None:
    config = QuantConfig(
        weights=3, activations=5, layers={"a": LayerBits(7), "b": LayerBits(None, 2)}
    )
    assert [config.weight_bits(n) for n in "abc"] == [7, 3, 3]
    assert [config.activation_bits(n) for n in "abc"] == [5, 2, 5]


# ---- tables ----------------------------------------------------------------------

YAML = "default: 4\nconv1: 8\nconv2: {weights: 3, activations: 6}\nfc: {activations: 5}\n"
JSON = """{"default": 4, "conv1": 8, "conv2": {"weights": 3, "activations": 6},
"fc": {"activations": 5}}"""


@pytest.mark.parametrize(("name", "content"), [("t.yaml", YAML), ("t.yml", YAML), ("t.json", JSON)])
def test_tables(name: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    layers = {
        "conv1": LayerBits(8),
        "conv2": LayerBits(3, 6),
        "fc": LayerBits(None, 5),
    }
    assert read_layer_table(path) == {"default": LayerBits(4), **layers}
    assert parse_weights(str(path)) == (4, layers)


def test_a_table_without_default_leaves_8(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("conv1: 2\n")
    assert parse_weights(str(path)) == (8, {"conv1": LayerBits(2)})


@pytest.mark.parametrize("text", ["4", "-1", "0", "12"])
def test_numbers(text: str) -> None:
    assert parse_weights(text) == (int(text), {})


@pytest.mark.parametrize("text", ["x", "4.5", "--5", "²", "", "missing.yaml", "4 bits"])
def test_neither_a_number_nor_a_file(text: str) -> None:
    with pytest.raises(QCompilerError, match="neither a width from 1 to 8 nor a file") as caught:
        parse_weights(text)
    assert "YAML or JSON" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("conv1: {weight: 4}", r"layer conv1: unknown field \['weight'\]"),
        ("- conv1\n- conv2", "a table of layers was expected"),
        ("conv1:4", "a table of layers was expected"),
        ("", "a table of layers was expected"),
        ("conv1: [", "not valid YAML or JSON"),
        ("a: b: c", "not valid YAML or JSON"),
        ("\x00\x01", "not valid YAML or JSON"),
        ("default: {weights: 4, activations: 5}", "default: activations are not set here"),
    ],
)
def test_damaged_tables(content: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(content)
    with pytest.raises(QCompilerError, match=words) as caught:
        parse_weights(str(path))
    assert str(path) in caught.value.where


def test_damaged_json(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text("{'conv1': 4}")
    with pytest.raises(QCompilerError, match="not valid YAML or JSON"):
        read_layer_table(path)
    with pytest.raises(QCompilerError, match="cannot be read: No such file"):
        read_layer_table(tmp_path / "none.json")
