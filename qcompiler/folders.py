"""Output folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qcompiler.errors import QCompilerError


@contextmanager
def new_folder(target: Path, marker: str) -> Iterator[Path]:
    """A temporary folder beside ``target`` that takes its place when the block ends well.

    Args:
        target: Missing, empty, or a folder that holds ``marker`` (an older result, replaced).
        marker: A file that every such result has at its top.

    Raises:
        QCompilerError: ``target`` holds something else, or cannot be written.
    """
    check_target(target, marker)
    target = target.resolve()  # a link stays a link
    missing = [folder for folder in target.parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise QCompilerError(f"cannot be written: {error.strerror}", where=str(target)) from error
    try:
        os.chmod(work, 0o755)
        yield work
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
            os.replace(target, old / "old")
            os.replace(work, target)
            shutil.rmtree(old)
        else:
            os.replace(work, target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()
        raise


def check_target(target: Path, marker: str) -> None:
    """Raise if ``target`` holds something that is not ours to replace."""
    if not target.exists():
        above = next(folder for folder in target.absolute().parents if folder.exists())
        if not above.is_dir():
            raise QCompilerError(
                f"{above.name} is a file, a folder was expected", where=str(target)
            )
        return
    if target.resolve() == Path.cwd():
        raise QCompilerError(
            "is the current folder, which cannot be replaced",
            where=str(target),
            hint="name a folder inside it with -o",
        )
    if not target.is_dir():
        raise QCompilerError("is a file, a folder was expected", where=str(target))
    if any(target.iterdir()) and not (target / marker).is_file():
        raise QCompilerError(
            "holds something else and is left alone",
            where=str(target),
            hint="name a new or empty folder with -o",
        )
