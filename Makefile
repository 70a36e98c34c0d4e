# make demo: sets up, builds, trains a network on real digits.   make test: sets up, builds, tests.
# Everything lives in .venv and build/; PYTHON chooses the interpreter (3.10 or newer).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test acceptance build check cpp-tests fuzz soak sanitize clean

$(VENV)/ready: pyproject.toml
	$(PYTHON) tools/check_compiler.py
	$(PYTHON) -m venv $(VENV)
	$(PIP) install 'scikit-build-core>=0.10' 'cmake>=3.22' 'ninja>=1.10' \
		$$($(PYTHON) tools/requirements.py test)
	# Run on flambeau under the name torch: without PyTorch, which it asks for.
	$(PIP) install --no-deps 'torchmetrics>=1.9,<2' 'lightning-utilities>=0.15,<1'
	touch $@

# The package is used in place: the build puts its two libraries beside the Python files.
build: $(VENV)/ready
	$(BIN)/cmake -S . -B build/dev -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja \
		-DPython_EXECUTABLE=$(abspath $(BIN))/python -DFLAMBEAU_IN_PLACE=ON \
		$(CMAKE_ARGS) > build.log 2>&1 || (cat build.log; exit 1)
	@echo "Building: a few minutes the first time, then only what changed"
	@if [ -t 1 ]; then $(BIN)/cmake --build build/dev; \
	else $(BIN)/cmake --build build/dev -- --quiet; fi
	@rm -f build.log
	@echo "$(CURDIR)" > $$($(BIN)/python -c \
		'import sysconfig; print(sysconfig.get_path("purelib"))')/flambeau.pth

demo: build
	$(BIN)/python -m flambeau demo

test: build cpp-tests
	$(BIN)/python -m pytest

# What was asked of the work in hand, a check for each sentence; not part of `make test`.
acceptance: build
	$(BIN)/python -m pytest --tb=line tests/acceptance/*.py

cpp-tests: build
	$(BIN)/cmake --build build/dev --target cpp_tests
	$(BIN)/ctest --test-dir build/dev --output-on-failure

# The formatters' versions are pinned in pyproject.toml.
check: build $(VENV)/dev
	$(BIN)/python tools/check.py

$(VENV)/dev: $(VENV)/ready
	$(PIP) install $$($(PYTHON) tools/requirements.py dev)
	touch $@

# Calls of every record with valid and hostile arguments: FUZZ="--seed 7 --calls 2000000".
FUZZ ?= --seconds 60 --seed 0
fuzz: build
	$(BIN)/python -m tests.fuzz $(FUZZ)

# Loaders and training runs that are killed at random moments: SOAK="--only loader --rounds 500".
SOAK ?= --seconds 60 --seed 0
soak: build
	$(BIN)/python -m tests.soak $(SOAK)

# Minutes of building, and the suite at a fraction of its speed: not part of `make test`.
sanitize: $(VENV)/ready
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python tools/sanitize.py

# All that git ignores, whether there is a git or not.
clean:
	rm -rf build build.log $(VENV) dist demo-out digits-demo flambeau/include flambeau/share
	rm -rf .ruff_cache .mypy_cache .pytest_cache .hypothesis *.egg-info
	rm -f flambeau/*.so flambeau/*.pyi flambeau/_docstrings
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
