# Every target does its own set-up: a fresh Debian with python3 and make is enough.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
# Compiled once, not by each of the hundreds of processes that the tests start (the folders __pycache__ are not kept in git).
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install install-dev run test style unit bench prove package lock pictures docs clean
help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

install: $(VENV)/.installed ## make .venv/ and install what the station runs on
install-dev: $(VENV)/.installed-dev

$(VENV)/.installed: requirements.txt tools/make_venv.sh
	@tools/make_venv.sh $(PYTHON) $(VENV) requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements.txt tools/make_venv.sh
	@tools/make_venv.sh $(PYTHON) $(VENV) requirements-dev.txt
	@touch $@ $(VENV)/.installed

run: install ## start the station with simulated hardware (BACKEND=wss://… ID=… for a real backend)
	@$(PY) tools/run_demo.py $(if $(BACKEND),--backend '$(BACKEND)') $(if $(ID),--id '$(ID)')

test: install-dev ## style, types, layering and all tests
	@tools/test_packages.sh
	@$(MAKE) --no-print-directory style
	$(PY) -m pytest -n 4 -m "not journey"
	@tools/journeys.sh $(PY)

style: install-dev ## ruff, mypy, import-linter
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy ocppclient hardware station
	$(VENV)/bin/lint-imports --no-cache

unit: install-dev ## the tests without browser and real processes (minutes)
	$(PY) -m pytest -n 2 -m "not journey and not browser"

bench: install-dev ## measure the product and print the table
	$(PY) -m bench

prove: install-dev ## long campaigns (2,000 kills, a day of sessions on bad lines, journeys again as an appliance, every Debian)
	@tools/test_packages.sh
	$(PY) -m pytest -n 2 --dist loadfile --campaign=long \
		tests/journeys/test_kills.py tests/scenarios/test_soak.py tests/journeys/test_package.py
	$(PY) -m pytest -n 2 --dist loadfile --run-mode=appliance \
		$(addprefix tests/journeys/test_,$(addsuffix .py,sessions remote reservations offline resets boot odd_backends))

package: install-dev ## build the Debian package in dist/ (ARCH=amd64 or arm64)
	$(PY) deploy/build_package.py --arch $(or $(ARCH),amd64)

lock: install-dev ## choose the Python packages of the Debian package anew (deploy/wheels.lock)
	$(PY) deploy/build_package.py --lock

pictures: install-dev ## make the pictures of the README and of the installer's guide again
	$(PY) -m pytest -q --pictures tests/browser/test_quality.py::test_the_pictures_of_the_readme \
		"tests/browser/test_wizard.py::test_from_the_label_to_the_first_charge[en]"

docs: install-dev ## regenerate the generated pages
	$(PY) manage.py generate_docs

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache staticfiles
