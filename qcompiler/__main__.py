"""``python -m qcompiler``, which torchrun starts too."""

from qcompiler.cli import main

main()
