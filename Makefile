# Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
STAMP := $(VENV)/.stamp

.PHONY: help setup demo test lint unit test-long mutations bench-cifar bench-ptq bench-winograd bench-folding bench-hardwired calibrate calibrate-fmax bench-estimate bench-array bench-pnr bench-csq-step bench-csq bench-csq-full csq-report ptq-report bench-ptq-agreement bench-profit bench-mobilenet-rtl profit-report clean

help:           ## what can be made
	@grep -hE '^[a-z-]+: *.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 16

setup: $(STAMP)  ## virtual environment with everything the project needs

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("python3 3.11 or newer is needed") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[synth,pnr,explore,dev]'
	@touch $(STAMP)

demo: $(STAMP)  ## train, quantize, compile and verify a small network on handwritten digits
	$(BIN)/qcompiler demo -o demo

test: $(STAMP) lint unit  ## lint, types and all tests that take seconds

lint: $(STAMP)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/mypy

unit: $(STAMP)
	$(BIN)/pytest -q -n $(JOBS) --dist worksteal

test-long: $(STAMP)  ## 200 random networks and other tests that take minutes
	$(BIN)/pytest -q -n $(JOBS) -m long

mutations: $(STAMP)  ## plant six faults in the RTL, one at a time: the suite must catch each
	$(BIN)/python benchmarks/mutations.py

bench-cifar: $(STAMP)  ## ResNet-8 and ResNet-20 on CIFAR-10: accuracy, RTL, speeds (needs the data)
	$(BIN)/python benchmarks/cifar.py

bench-ptq: $(STAMP)  ## quantization methods on CIFAR-10, 8 to 3 bits: hours; goes on where it stopped
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/ptq.py

bench-winograd: $(STAMP)  ## a 3x3 layer by Winograd and by direct multipliers: Yosys' cells, RTL (20 minutes)
	$(BIN)/python benchmarks/winograd.py

calibrate: $(STAMP)  ## Yosys over the modules that estimates are fitted and tested on; only what changed (hours)
	$(BIN)/python benchmarks/calibrate.py

bench-estimate: $(STAMP)  ## estimates against Yosys: held-out modules and whole networks, table and plot
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/estimate_bench.py

bench-array: $(STAMP)  ## LUTs of a one-bit multiply-accumulate: structures of the array, and peers (20 minutes)
	$(BIN)/python benchmarks/array_bench.py

bench-hardwired: $(STAMP)  ## constant weights as logic, beside da4ml and the array: Yosys' cells, RTL (40 minutes)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/hardwired.py

bench-folding: $(STAMP)  ## the folding search: greedy, ours and the optimum; MobileNet-v2's time (3 minutes)
	PYTHONPATH=. $(BIN)/python benchmarks/folding.py

calibrate-fmax: $(STAMP)  ## nextpnr over the modules that the clock model is fitted on; only what changed (20 minutes)
	$(BIN)/python benchmarks/calibrate_fmax.py

bench-pnr: $(STAMP)  ## clock after place and route, demo and ResNet-8's largest array, ECP5 (10 minutes)
	$(BIN)/python benchmarks/pnr.py

bench-csq-step: $(STAMP)  ## a training step of ResNet-20: float, CSQ by naive autograd, CSQ fused
	$(BIN)/python benchmarks/csq_step.py

bench-csq: $(STAMP)  ## CSQ, LSQ and BSQ on CIFAR-10: hours; goes on where it stopped (needs the data)
	$(BIN)/python benchmarks/csq.py

bench-csq-full: $(STAMP)  ## the same with the paper's 600 epochs: days without a GPU
	$(BIN)/python benchmarks/csq.py --epochs 600 --lr 0.1 --name csq_full --strength 0.01 --search 0.99 \
		--set search=0.99 strength=0.01 gate_rate=1

bench-profit: $(STAMP)  ## PROFIT, DuQ and LSQ on MobileNets, CIFAR-10: a day; goes on where it stopped
	$(BIN)/python benchmarks/profit.py

bench-mobilenet-rtl: $(STAMP)  ## the MobileNets of bench-profit and MLPerf Tiny's in simulation, bit by bit
	$(BIN)/python benchmarks/mobilenet_rtl.py

profit-report: $(STAMP)  ## results of the two as tables and a picture in docs/
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/profit_report.py

bench-ptq-agreement: $(STAMP)  ## how often quantized ResNet-8 answers as the float network does
	$(BIN)/python benchmarks/ptq_agreement.py

ptq-report: $(STAMP)  ## results of bench-ptq as tables in docs/
	$(BIN)/python benchmarks/ptq_report.py

csq-report: $(STAMP)  ## results of bench-csq as a table and a picture in docs/
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/csq_report.py

clean:          ## remove what was made, the environment too
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache
