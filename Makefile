# `make demo` and `make test` are all that a newcomer needs: each sets up what is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# So many tests at a time: most of them wait for something. ARGS="-n 0" runs them in one process, as a debugger needs it.
TESTERS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test test-fast test-all check smoke bench format golden clean setup setup-test

help: ## show these lines
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

demo: setup ## annotate the sample clip: annotated.mp4 and annotated.jsonl
	$(BIN)/streamer annotate samples/pedestrians.mp4 -o annotated.mp4 --detections annotated.jsonl --overwrite

test: setup-test ## run all tests
	$(BIN)/python -m pytest -n $(TESTERS) $(ARGS)

test-fast: setup-test ## run the tests that need no model, server or window and take no seconds: a minute in all
	$(BIN)/python -m pytest -n $(TESTERS) -m "not slow" $(ARGS)

test-all: ## all of that, none skipped, what takes minutes (machines that are lost, judges of datasets, Triton), and each Python
	ALL_TESTS=1 REQUIRE_ALL=1 $(MAKE) test
	$(MAKE) smoke
	tools/judge-datasets "$(PYTHON)"
	tools/judge-serving $(BIN)/python

check: setup-test ## lint, types, and which module may import which
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

smoke: ## try the command on Python 3.11 to 3.13, with pinned and with newest dependencies
	tools/smoke

bench: setup-test ## print every figure of the README
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[bench]"
	$(BIN)/python -m benchmarks $(ARGS)

format: setup-test ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

golden: setup-test ## make the golden pictures of the tests anew
	$(BIN)/python -m tests.render.make_golden

clean: ## remove what setup and runs made
	rm -rf $(VENV) .judges .mypy_cache .ruff_cache .pytest_cache .hypothesis annotated.mp4 annotated.jsonl

setup: $(VENV)/.ready
setup-test: $(VENV)/.ready-test

$(VENV)/.ready: pyproject.toml constraints.txt tools/setup
	tools/setup run "$(PYTHON)" "$(VENV)"
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready tools/setup
	tools/setup test "$(PYTHON)" "$(VENV)"
	@touch $@
