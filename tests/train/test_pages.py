import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from qcompiler.train.pages import keep_pages
if {keep}:
    assert keep_pages()
def once():
    torch.zeros(16, 2**20).add_(1)
once()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    once()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(keep: bool) -> int:
    """Of 20 tensors of 64 MiB, one after another, in a process of its own."""
    command = [sys.executable, "-c", FAULTS.format(keep=keep)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_freed_tensors_are_reused():
    assert 3 * page_faults(keep=True) < page_faults(keep=False)
