# `make demo` and `make test` are all a fresh clone needs: Python 3.11 or newer with its pip, and make.
PYTHON ?= python3
# Public data sets; the tests of an absent one say that they skip.
DATA ?= ../shared/data

BIN := .venv/bin
PIP := $(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check

.PHONY: .venv demo test fuzz lint docs pins clean

.venv: .venv/.stamp

# The venv goes without its own pip, which a Debian Python cannot put there: the host's pip fills it.
# The mark comes last, so a set-up that failed half way starts over.
.venv/.stamp: pyproject.toml requirements/test.txt
	@echo "Setting up .venv from the pinned requirements (about a minute) ..."
	@rm -rf .venv
	@$(PYTHON) -m venv --without-pip .venv
	@$(PIP) install --quiet --require-hashes --no-deps --only-binary :all: -r requirements/test.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# The demo hospital on 127.0.0.1:8501, or PORT=N; `make demo SMOKE=1` tries it and stops.
demo: .venv
	@$(if $(CDSS_HOME),CDSS_HOME="$(CDSS_HOME)") $(BIN)/cdss demo $(if $(SMOKE),--smoke) $(if $(PORT),--port $(PORT))

test: .venv
	CDSS_TEST_DATA="$(abspath $(DATA))" $(BIN)/python -m pytest

# Bytes nobody thought of, in a venv of its own: atheris has no wheel for every Python. `make fuzz RUNS=3000` is a short
# run, SEED another road. What is found new stays in .fuzz/, what breaks in .fuzz/broke-*; see tests/fuzz/.
RUNS ?= 200000
SEED ?= 1

.venv-fuzz/.stamp: requirements/fuzz.txt
	@echo "Setting up .venv-fuzz from the pinned requirements ..."
	@rm -rf .venv-fuzz
	@$(PYTHON) -m venv --without-pip .venv-fuzz
	@$(PYTHON) -m pip --python .venv-fuzz/bin/python --disable-pip-version-check install --quiet --require-hashes --no-deps \
		--only-binary :all: -r requirements/fuzz.txt
	@touch $@

fuzz: .venv-fuzz/.stamp
	@for target in reader alike units lines; do \
		echo "Fuzzing $$target: $(RUNS) inputs ..."; \
		.venv-fuzz/bin/python tests/fuzz/run.py $$target .fuzz/$$target -runs=$(RUNS) -seed=$(SEED) || exit 1; \
	done

lint: .venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive --severity-level medium .
	$(BIN)/python -m cdss.codes.lint

# The pages that are written from data.
docs: .venv
	$(BIN)/python -m cdss.codes.page > docs/reference/codes.md
	$(BIN)/python -m cdss.domain.reasons > docs/reference/reasons.md

# Pins stay where they still fit; `make pins UPGRADE=1` takes the newest. Run it with the oldest Python supported.
# nvidia-nccl-cu12, 469 MB for GPUs only, stays out, whatever pip-compile warns of it: the lists are installed
# without looking for dependencies.
COMPILE := pip-compile --quiet --no-config --generate-hashes --build-deps-for editable --strip-extras \
	--unsafe-package nvidia-nccl-cu12 --no-header --no-annotate --no-emit-options \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links $(if $(UPGRADE),--upgrade)

pins:
	@set -eu; unset PIP_FIND_LINKS; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(PYTHON) -m venv --without-pip "$$tools"; \
	$(PYTHON) -m pip --python "$$tools/bin/python" install --quiet pip-tools==7.6.2; \
	"$$tools/bin/"$(COMPILE) --extra test --output-file requirements/test.txt pyproject.toml; \
	"$$tools/bin/"$(COMPILE) --constraint requirements/test.txt --output-file requirements/run.txt pyproject.toml; \
	"$$tools/bin/"$(COMPILE) --constraint requirements/test.txt --output-file requirements/fuzz.txt requirements/fuzz.in; \
	sed -i -e '/^$$/d' -e '/^# WARNING/,$$d' requirements/run.txt requirements/test.txt requirements/fuzz.txt

clean:
	rm -rf .venv .venv-fuzz .fuzz .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
