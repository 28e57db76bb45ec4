# Two commands do everything: `make demo` and `make test`. Both set up .venv first if it is not there.

VENV   ?= .venv
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)

BIN   := $(VENV)/bin
READY := $(VENV)/.ready
EXTRAS := dev,plot
PEERBIN := $(VENV)-peers/bin
PEERS := $(VENV)-peers/.ready

# What `make extract finetune generate` work on; the demo is the same three steps with these values.
BOOK   ?= data/sample.pdf
CORPUS ?= $(patsubst %.pdf,data/%.txt,$(notdir $(BOOK)))
MODEL  ?= small
RUN    ?= demo
STEPS  ?= 100
PREFIX ?= The machine

.PHONY: demo test lint python lowest bench bench-extract bench-train bench-generate bench-serve clean extract finetune generate

demo: extract finetune generate

extract: $(READY)
	$(BIN)/mckennabot extract $(BOOK)

finetune: $(READY)
	$(BIN)/mckennabot finetune --model $(MODEL) --run $(RUN) --steps $(STEPS) $(CORPUS)

generate: $(READY)
	$(BIN)/mckennabot generate --run $(RUN) --prefix "$(PREFIX)"

test: $(READY)
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	for system in darwin win32; do $(BIN)/mypy --platform $$system --package mckennabot || exit 1; done

# Which one the environment is made with.
python:
	@echo $(PYTHON)

# The oldest dependencies that are allowed, in an environment of their own.
lowest:
	PYTHON=$(PYTHON) .ci/lowest

bench: bench-extract bench-generate bench-serve bench-train

# The peers have an environment of their own: CTranslate2 imports torch wherever it finds it.
bench-extract: $(PEERS)
	$(PEERBIN)/python scripts/bench_extract.py $(BOOK)

bench-generate: $(PEERS)
	$(BIN)/python scripts/bench_generate.py --hf-python $(PEERBIN)/python

bench-serve: $(PEERS)
	$(BIN)/python scripts/bench_serve.py --peer-python $(PEERBIN)/python

bench-train: $(PEERS)
	$(BIN)/python scripts/bench_train.py --hf-python $(PEERBIN)/python

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.10 to 3.13 is needed; set PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]'
	@touch $@

$(PEERS): $(READY)
	$(PYTHON) -m venv $(VENV)-peers
	$(PEERBIN)/python -m pip install --quiet --editable '.[$(EXTRAS),bench]'
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-peers build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
