"""Walks an exported torch program once and builds the nn graph."""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx
from torch._ops import HigherOrderOperator, OpOverload
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind, OutputKind, TensorArgument

from qcompiler.errors import GraphError, QCompilerError, UnsupportedError
from qcompiler.frontend import aten as _aten  # noqa: F401  fills the table
from qcompiler.frontend import quantize as _quantize  # noqa: F401
from qcompiler.frontend.call import TABLE, Bound, Call, Const, supported
from qcompiler.frontend.names import safe_name
from qcompiler.frontend.nodes import has_tensor, is_impure, is_size, map_nodes, place, trains
from qcompiler.frontend.problems import Problem, Refusal, TrainingMode, report
from qcompiler.frontend.spelled_out import SpelledOut, spelled_out
from qcompiler.ir import nn
from qcompiler.ir.graph import Graph, Value
from qcompiler.ir.types import Shape

_CONSTANT = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)
_ONE_INPUT = "a model must take exactly one tensor, (N, C, H, W) or (N, F)"


class Importer:
    """One import: fx nodes bound to graph values or constants, and the problems met.

    A call that is refused leaves its result unbound, and what depends on it is then passed over,
    so that every problem is reported once and all of them together.
    """

    def __init__(self, program: ExportedProgram) -> None:
        self.program = program
        self.graph = Graph("nn")
        self.bound: dict[fx.Node, Bound | Const] = {}
        self.problems: list[Problem] = []
        self.order = {node: i for i, node in enumerate(program.graph.nodes)}
        self.spelled_out = spelled_out(program.graph)
        self.passed_over = {n for group in self.spelled_out.values() for n in group.others}
        self.batch: Any = None
        self.dtype: torch.dtype = torch.float32
        self._storages = 0

    def run(self) -> Graph:
        self._bind_inputs()
        for node in self.program.graph.nodes:
            if node.op == "call_function" and node not in self.passed_over:
                self._step(node)
            elif node.op == "get_attr":
                self._attribute(node)
        result = None if self.problems else self._result()
        if self.problems or result is None:
            raise report(self.problems)
        self.graph.add(self.graph.fresh("result"), nn.Output(), [result])
        self._prune()
        self.graph.check()
        return self.graph

    # ---- inputs and outputs -------------------------------------------------

    def _bind_inputs(self) -> None:
        nodes = {node.name: node for node in self.program.graph.nodes if node.op == "placeholder"}
        inputs = []
        for spec in self.program.graph_signature.input_specs:
            if spec.kind is InputKind.USER_INPUT:
                inputs.append(spec.arg)
            elif spec.kind in _CONSTANT and spec.target is not None:
                tensor = self._constant(spec.target)
                self.bound[nodes[spec.arg.name]] = Const(tensor, spec.target)
        self._check_finite()
        tensors = [arg for arg in inputs if isinstance(arg, TensorArgument)]
        others = [a for a in inputs if not isinstance(a, TensorArgument | ConstantArgument)]
        given = [a for a in inputs if isinstance(a, ConstantArgument) and a.value is not None]
        if len(tensors) != 1 or others or given:
            names = ", ".join(arg.name for arg in inputs) or "none"
            what = f"the model takes {len(inputs)} inputs: {names}"
            raise UnsupportedError(what, hint=_ONE_INPUT)
        self._bind_input(nodes[tensors[0].name])

    def _constant(self, target: str) -> Tensor:
        for store in (self.program.state_dict, self.program.constants):
            if isinstance(tensor := store.get(target), Tensor):
                return tensor
        raise UnsupportedError("the exported program does not hold this tensor", where=target)

    def _check_finite(self) -> None:
        bad = []
        for node, const in self.bound.items():
            if isinstance(const, Const) and node.users and const.tensor.is_floating_point():
                count = int((~torch.isfinite(const.tensor)).sum())
                if count:
                    bad.append(f"{const.name} ({count} of {const.tensor.numel()})")
        if bad:
            raise QCompilerError(
                f"NaN or infinite values in {', '.join(bad)}",
                hint="the training diverged or the checkpoint is damaged; load a sound one",
            )

    def _bind_input(self, node: fx.Node) -> None:
        fake = node.meta["val"]
        if not fake.is_floating_point():
            raise UnsupportedError(
                f"the input {node.name} is {fake.dtype}", hint="export the model with a float input"
            )
        shape = tuple(fake.shape)
        fixed = all(isinstance(n, int) and n > 0 for n in shape[1:])
        if len(shape) not in (2, 4) or not fixed:
            raise UnsupportedError(
                f"the input {node.name} has shape ({', '.join(map(str, shape))})",
                hint=f"{_ONE_INPUT}, where only N may be dynamic",
            )
        self.batch, self.dtype = shape[0], fake.dtype
        name = safe_name(node.name, "data")
        value = self.graph.add(name, nn.Input(tuple(int(n) for n in shape[1:])))
        self.bound[node] = Bound(value, shape[1:], self.new_storage())

    def _result(self) -> Value:
        specs = self.program.graph_signature.output_specs
        for spec in specs:
            if spec.kind is OutputKind.BUFFER_MUTATION:
                raise UnsupportedError(
                    f"the model writes to its buffer {spec.target!r} while it runs",
                    hint="call model.eval() first, then export again",
                )
        results = [s.arg for s in specs if s.kind is OutputKind.USER_OUTPUT]
        if len(results) != 1 or not isinstance(results[0], TensorArgument):
            names = ", ".join(str(getattr(arg, "name", arg)) for arg in results) or "none"
            raise UnsupportedError(
                f"the model returns {len(results)} values: {names}",
                hint="a model must return exactly one tensor",
            )
        node = next(n for n in self.order if n.name == results[0].name)
        bound = self.bound.get(node)
        if not isinstance(bound, Bound):
            raise UnsupportedError("the model's result does not depend on its input")
        if bound.shape != self.graph.type(bound.value).shape:
            raise UnsupportedError(
                f"the model returns a tensor of shape {bound.shape} per sample",
                hint="return (N, C, H, W) or (N, F)",
            )
        return bound.value

    # ---- calls --------------------------------------------------------------

    def _step(self, node: fx.Node) -> None:
        try:
            self._convert(node)
        except (Refusal, GraphError) as error:
            named = isinstance(node.target, OpOverload | HigherOrderOperator)
            name = str(node.target) if named else node.name
            what = error.what if isinstance(error, Refusal) else f"cannot be placed: {error.what}"
            training = isinstance(error, TrainingMode)
            self.problems.append(Problem(name, what, error.hint, place(node), training))

    def _convert(self, node: fx.Node) -> None:
        if node.target is operator.getitem and isinstance(node.args[0], fx.Node):
            self._take(node, node.args[0])
            return
        if not isinstance(node.target, OpOverload):
            if has_tensor(node):
                raise Refusal("is not supported", f"supported operators: {supported()}")
            return
        if group := self.spelled_out.get(node):
            if group.source in self.bound:
                self._check_unwritten(node, group)
                call = Call(self, node, {"self": self.bound[group.source]})
                self.bound[node] = _of_shape(TABLE[group.operator](call), call.shape)
            return
        tensors = [arg for arg in node.all_input_nodes if has_tensor(arg)]
        if not has_tensor(node) and (not node.users or not tensors or is_size(node)):
            return  # assertions, and arithmetic on sizes
        constant = bool(tensors) and all(isinstance(self.bound.get(a), Const) for a in tensors)
        if constant and not is_impure(node.target):
            self._fold(node, tensors)
            return
        converter = TABLE.get(str(node.target))
        if converter is None:
            raise Refusal("is not supported", f"supported operators: {supported()}")
        if node.target._schema.is_mutable and constant:
            raise Refusal(f"writes to {self._name(tensors[0])!r} while the model runs")
        if all(arg in self.bound for arg in tensors):
            call = Call(self, node, self._arguments(node))
            self._bind(node, converter(call), call.shape)
        elif trains(node):  # cannot be converted, but tells why the model cannot
            raise TrainingMode

    def _check_unwritten(self, node: fx.Node, group: SpelledOut) -> None:
        """Refuse a group unless its one call at the end sees what its first call saw.

        Calls of the group may write to its source, if nothing reads that any more: the result has
        memory of its own. What they write to besides is read by the group alone.
        """
        inside, source = group.others | {node}, self.bound[group.source]
        names = [n for n, b in self.bound.items() if b is source or _share(b, source)]
        first, last = min(self.order[n] for n in inside), self.order[node]
        users = {user for name in names for user in name.users}
        writers = {u for u in users if _writes(u, names) and first <= self.order[u] <= last}
        start = min((self.order[u] for u in writers), default=None)
        read = start is not None and any(self.order[user] > start for user in users)
        if read or writers - inside:
            raise Refusal(
                f"ends {group.operator.split('.')[1]} in parts, amid which {group.source.name} is "
                "changed in place, and read later under this or another name",
                "use the forms that are not in place, or torch's own layer",
            )

    def _bind(self, node: fx.Node, result: Bound, shape: Shape) -> None:
        _of_shape(result, shape)
        assert isinstance(node.target, OpOverload)
        changed = node.args[0] if node.target._schema.is_mutable else None
        if isinstance(changed, fx.Node) and isinstance(old := self.bound[changed], Bound):
            result = replace(result, storage=old.storage)
            if result != old:
                self._rebind(node, old, result)
        self.bound[node] = result

    def _rebind(self, node: fx.Node, old: Bound, new: Bound) -> None:
        """An in-place call changes every name of its tensor; other views of it must be dead."""
        for other, bound in list(self.bound.items()):
            if not isinstance(bound, Bound) or bound.storage != old.storage:
                continue
            if (bound.value, bound.shape) == (old.value, old.shape):
                self.bound[other] = new
            elif any(self.order[user] > self.order[node] for user in other.users):
                raise Refusal(
                    f"changes a tensor in place that {other.name} still reads as another view",
                    "use the form that is not in place, or clone the tensor first",
                )

    def _take(self, node: fx.Node, source: fx.Node) -> None:
        if source not in self.bound:
            return
        if node.args[1] != 0:
            raise Refusal(f"takes result {node.args[1]} of {source.target}, only the first exists")
        self.bound[node] = self.bound[source]

    def _fold(self, node: fx.Node, tensors: list[fx.Node]) -> None:
        """Compute what depends on constants alone, e.g. a transposed weight."""

        def held(item: fx.Node) -> Any:
            bound = self.bound.get(item)
            return bound.tensor if isinstance(bound, Const) else item.meta.get("val")

        assert isinstance(node.target, OpOverload)
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), held)
        with torch.no_grad():
            result = node.target(*args, **kwargs)
        if not isinstance(result, Tensor):
            raise Refusal("is not supported on constants", f"supported operators: {supported()}")
        self.bound[node] = Const(result, self._name(tensors[0]))

    def _attribute(self, node: fx.Node) -> None:
        item = getattr(self.program.graph_module, str(node.target), None)
        if isinstance(item, Tensor):
            self.bound[node] = Const(item, str(node.target))

    # ---- facts --------------------------------------------------------------

    def _arguments(self, node: fx.Node) -> dict[str, Any]:
        """Arguments by the schema's names; tensors as bound, sizes as torch's own numbers."""
        assert isinstance(node.target, OpOverload)

        def held(item: fx.Node) -> Any:
            return self.bound[item] if item in self.bound else item.meta.get("val")

        values: dict[str, Any] = {}
        for i, arg in enumerate(node.target._schema.arguments):
            default = arg.default_value if arg.has_default_value() else None
            given = node.args[i] if i < len(node.args) else node.kwargs.get(arg.name, default)
            values[arg.name] = map_nodes(given, held)
        return values

    def shape(self, node: fx.Node) -> Shape:
        """torch's shape of a call's (first) result, without the batch axis."""
        fake = node.meta["val"]
        fake = fake[0] if isinstance(fake, list | tuple) else fake
        shape = tuple(fake.shape)
        dims = ", ".join(map(str, shape))
        if not shape or str(shape[0]) != str(self.batch):
            raise Refusal(
                f"gives shape ({dims}), which has no batch of {self.batch} first",
                "every tensor must keep the batch as its first axis",
            )
        if not all(isinstance(n, int) for n in shape[1:]):
            raise Refusal(f"gives the dynamic shape ({dims})", "only the batch may be dynamic")
        return shape[1:]

    def _name(self, node: fx.Node) -> str:
        bound = self.bound[node]
        return bound.name if isinstance(bound, Const) else node.name

    def new_storage(self) -> int:
        self._storages += 1
        return self._storages

    def needed_later(self, value: Value, now: fx.Node) -> bool:
        """Whether a graph node feeds one already, or a later call reads ``value``."""
        return bool(self.graph.users(value.node)) or any(
            isinstance(bound, Bound)
            and bound.value == value
            and any(self.order[user] > self.order[now] for user in other.users)
            for other, bound in self.bound.items()
        )

    def _prune(self) -> None:
        """Drop what the result does not need, e.g. a Flatten that was undone."""
        for name in reversed(list(self.graph)):
            op = self.graph.op(name)
            if not self.graph.users(name) and not isinstance(op, nn.Input | nn.Output):
                self.graph.remove(name)


def _of_shape(result: Bound, shape: Shape) -> Bound:
    if result.shape != shape:
        raise Refusal(f"gives {shape} in torch and {result.shape} here")
    return result


def _share(one: Bound | Const, other: Bound | Const) -> bool:
    if isinstance(one, Const) or isinstance(other, Const):
        return False
    return one.storage == other.storage


def _writes(node: fx.Node, names: list[fx.Node]) -> bool:
    mutable = isinstance(node.target, OpOverload) and node.target._schema.is_mutable
    return mutable and node.args[0] in names
