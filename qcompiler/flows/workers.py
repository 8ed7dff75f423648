"""Independent tasks, here or on dask workers, each result as it comes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from qcompiler.errors import QCompilerError, ToolMissingError

CONNECT_SECONDS = 10


@dataclass(frozen=True, eq=False)
class Task:
    """``function(*arguments)``; an argument that is a key of ``shared`` stands for its value."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Workers:
    """Where tasks run.

    Args:
        count: Local processes; 1 runs the tasks in this one.
        scheduler: Address of a dask scheduler to use instead, such as ``tcp://host:8786``.
    """

    count: int = 1
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.count < 1:
            raise QCompilerError(f"{self.count} workers cannot do anything", where="--workers")
        if self.scheduler is not None or self.count > 1:
            need("distributed", "2025.1")

    def check(self) -> None:
        """Raise QCompilerError where the scheduler does not answer."""
        if self.scheduler is not None:
            with ExitStack() as stack:
                self._client(stack)

    def run(
        self, tasks: Sequence[Task], shared: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[str, Any]]:
        """(name, result) of every task, in the order in which they end.

        Args:
            tasks: Functions at the top of a module, so that they can be sent.
            shared: Large arguments of several tasks, sent once.
        """
        if not tasks:
            return
        if self.scheduler is None and self.count == 1:
            values = dict(shared or {})
            for task in tasks:
                yield task.name, task.function(*_filled(task, values))
            return
        yield from self._run_on_dask(tasks, shared or {})

    def _run_on_dask(
        self, tasks: Sequence[Task], shared: Mapping[str, Any]
    ) -> Iterator[tuple[str, Any]]:
        distributed: Any = import_module("distributed")
        with ExitStack() as stack:
            client = self._client(stack)
            sent = {name: client.scatter(value) for name, value in shared.items()}
            futures = {
                client.submit(task.function, *_filled(task, sent), pure=False): task.name
                for task in tasks
            }
            for future in distributed.as_completed(list(futures)):
                yield futures[future], future.result()

    def _client(self, stack: ExitStack) -> Any:
        distributed: Any = import_module("distributed")
        if self.scheduler is None:
            cluster = distributed.LocalCluster(
                n_workers=self.count, threads_per_worker=1, dashboard_address=None
            )
            return stack.enter_context(distributed.Client(stack.enter_context(cluster)))
        try:
            return stack.enter_context(distributed.Client(self.scheduler, timeout=CONNECT_SECONDS))
        except (OSError, ValueError) as error:
            raise QCompilerError(
                f"no dask scheduler answers at {self.scheduler}",
                where="--scheduler",
                hint="start one with `dask scheduler` and give the address that it prints, "
                "or leave the option out",
            ) from error


def _numbers(text: str) -> list[int]:
    """``3.10.1`` so that it can be compared."""
    return [int(part) for part in re.findall(r"\d+", text)[:3]]


def _filled(task: Task, values: Mapping[str, Any]) -> list[Any]:
    return [values.get(a, a) if isinstance(a, str) else a for a in task.arguments]


def need(module: str, least: str) -> None:
    """Raise where a library of the extra ``explore`` is missing, or older than ``least``."""
    if find_spec(module) is None or _numbers(version(module)) < _numbers(least):
        raise ToolMissingError(module, least=least, get="pip install 'qcompiler[explore]'")
