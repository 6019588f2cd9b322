# Modelyard's commands. `make help` lists them.

# The first that is new enough; make up PYTHON=/path/to/python names another one.
PYTHON ?= $(or $(shell for name in python3 python3.13 python3.12 python3.11; do \
  $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$name; break; }; \
  done),python3)
BIN := .venv/bin
# A machine may have it set; every start would then compile everything again.
unexport PYTHONDONTWRITEBYTECODE
# A developer's open environment must not leak into ours.
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help up test test-long chaos check bench lock lock-bench install install-extra install-dev python clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | \
	  while IFS="$$(printf '\t')" read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

up: install ## install what is needed, then start everything; Ctrl-C ends it
	@exec $(BIN)/python manage.py up

test: install-dev ## install what the tests need, then run all of them (PYTEST_ARGS=...)
	@$(BIN)/python -m pytest $(if $(PYTEST_ARGS),$(PYTEST_ARGS),-n 2 --dist loadgroup -q)

test-long: export MODELYARD_LONG = 1
test-long: install-dev ## the same with the full counts of drawn tests (PYTEST_ARGS=...)
	@$(BIN)/python -m pytest $(if $(PYTEST_ARGS),$(PYTEST_ARGS),-n 2 --dist loadgroup -q)

chaos: install-dev ## kill parts at random under many jobs: nothing may be lost (CHAOS_ARGS="--seconds 1800")
	@$(BIN)/python -m tests.chaos $(CHAOS_ARGS)

check: install-dev ## format, lint, types, imports, migrations, deployment settings, known holes
	@$(BIN)/python config/make_check.py

bench: install-dev ## the benchmarks beside other servers; needs wrk (BENCH_ARGS=names of parts)
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

lock: install-dev ## write requirements*.txt anew from requirements*.in
	@for name in requirements requirements-extra requirements-dev requirements-clients; do \
	  echo "locking $$name.in"; \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --custom-compile-command "make lock" $$name.in -o $$name.txt || exit 1; \
	done

lock-bench: install-dev ## write the lock files of the servers that are measured beside ours
	@for path in benchmarks/peers/*.in; do \
	  echo "locking $$path"; \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --custom-compile-command "make lock-bench" $$path \
	    -o $${path%.in}.txt || exit 1; \
	done

install: python ## make .venv and install the locked requirements
	@$(PYTHON) -I config/bootstrap.py

install-extra: python ## the same, with the libraries of XGBoost, LightGBM and CatBoost models
	@$(PYTHON) -I config/bootstrap.py --extra

install-dev: python ## the same, with what tests and checks need
	@$(PYTHON) -I config/bootstrap.py --dev

python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "Python 3.11 or newer is needed: apt install python3 python3-venv" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; $$($(PYTHON) --version 2>&1) was found." \
	    "Name another one: make up PYTHON=/path/to/python3.11" >&2; exit 2; }

clean: ## remove .venv and caches; the state folder stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
