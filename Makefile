# Finch's commands: each target with a `##` comment is one, and `make help` prints them from here.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin

# mkdocs-material announces on every build that MkDocs 2 will break it; both are pinned here.
export NO_MKDOCS_2_WARNING := 1

# A paper's address or file may have quotes, dollars and parentheses: `make add` hands it on as it was typed, by the environment.
override PAPER := $(value PAPER)
export PAPER

.PHONY: help serve demo test setup check fix add links results site clean
help: ## list the commands
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

serve: .venv/site.stamp ## show the site at http://127.0.0.1:8000/ and follow every change (PORT=9000 for another port)
	@$(BIN)/python -m tools.check_catalog || echo "The catalog has the problems above; the site is served all the same."
	@$(BIN)/python -c 'import socket; socket.create_server(("127.0.0.1", $(PORT))).close()' 2> /dev/null || { \
		echo "Port $(PORT) can't be had; another one: make serve PORT=9000"; exit 1; } >&2
	@echo "Finch will stand at http://127.0.0.1:$(PORT)/ in a moment; Ctrl-C stops it."
	@exec $(BIN)/python -m mkdocs serve --livereload --dev-addr 127.0.0.1:$(PORT)

demo: .venv/demo.stamp ## run a paper's method on Finch's own birds: make demo PAPER=transfg (ARGS="--seeds 1" for options)
	@test -f implementations/$(subst -,_,$(or $(PAPER),no paper)).py || { \
		echo "make demo PAPER=NAME needs the name of an implemented paper, not '$(PAPER)':"; \
		$(BIN)/python -m implementations --list; exit 2; } >&2
	@exec $(BIN)/python -m implementations.$(subst -,_,$(PAPER)) $(ARGS)

test: .venv/test.stamp ## run every test (and set up what they need)
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m pytest --numprocesses auto --dist loadgroup

setup: .venv/test.stamp ## set up .venv with all that the site and the tests need, again only when pyproject.toml changed

check: .venv/site.stamp ## validate the catalog
	@$(BIN)/python -m tools.check_catalog

fix: .venv/site.stamp ## mend what can be mended in the catalog without knowing more, and show what changed
	@$(BIN)/python -m tools.check_catalog --fix

add: .venv/add.stamp ## add a paper to the catalog: make add PAPER=2103.07976 (ARGS="--dry-run" for options)
	@test -n "$$PAPER" || { \
		echo "make add PAPER=... needs an arXiv id, a DOI, a paper's address or a BibTeX file; all options:"; \
		$(BIN)/python tools/add_paper.py --help; exit 2; } >&2
	@exec $(BIN)/python tools/add_paper.py "$$PAPER" $(ARGS)

links: .venv/links.stamp ## look at every link of the catalog (ARGS="--fix" for options)
	@exec $(BIN)/python tools/check_links.py $(ARGS)

results: .venv/demo.stamp ## hold every number of ours against its evidence, and tell the site (ARGS="--rerun transfg" for more)
	@$(BIN)/python -m tools.check_results $(ARGS)

site: .venv/site.stamp ## build the site into build/site
	@$(BIN)/python -m mkdocs build --strict --clean --site-dir build/site

clean: ## remove what was built (build/ and caches) and the environment (.venv)
	rm -rf build .venv .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ------------------------------------------------------------------------------------------------------ the environment

# Prints what pip is to install: `requirements` of the site and the named extras, or the `constraints` on what they bring along.
define PINNED
import sys, tomllib
pyproject = tomllib.load(open("pyproject.toml", "rb"))
kind, *extras = sys.argv[1:]
if kind == "constraints":
    print(*pyproject["tool"]["uv"]["constraint-dependencies"], sep="\n")
else:
    project = pyproject["project"]
    print(*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra]), sep="\n")
endef
export PINNED

# $(call install,EXTRAS) installs the pinned packages of the site and of these extras into .venv.
define install
	@echo "Setting up .venv for the site$(if $(1), and for: $(1)) ..."
	@$(BIN)/python -c "$$PINNED" constraints > .venv/constraints.txt
	@$(BIN)/python -c "$$PINNED" requirements $(1) > .venv/requirements.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input \
		--constraint .venv/constraints.txt --requirement .venv/requirements.txt
endef

.venv/site.stamp: pyproject.toml .venv/pyvenv.cfg
	$(call install)
	@touch $@

.venv/demo.stamp: pyproject.toml .venv/pyvenv.cfg
	$(call install,implementations)
	@touch .venv/site.stamp $@

.venv/add.stamp: pyproject.toml .venv/pyvenv.cfg
	$(call install,adding)
	@touch .venv/site.stamp $@

.venv/links.stamp: pyproject.toml .venv/pyvenv.cfg
	$(call install,links)
	@touch .venv/site.stamp $@

.venv/test.stamp: pyproject.toml .venv/pyvenv.cfg
	$(call install,test adding links implementations)
	@touch .venv/site.stamp .venv/demo.stamp .venv/add.stamp .venv/links.stamp $@

# Made anew where it is missing or its Python has gone.
.venv/pyvenv.cfg: $(shell test -x $(BIN)/python || echo new-environment)
	@command -v $(PYTHON) > /dev/null || { \
		echo "Finch needs Python 3.11 or newer; there is no '$(PYTHON)' here."; \
		echo "On Debian or Ubuntu: sudo apt-get install python3 python3-venv"; exit 1; } >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Finch needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)."; \
		echo "If there is a newer one, name it: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; } >&2
	@$(PYTHON) -c 'import venv, ensurepip' 2> /dev/null || { \
		echo "'$(PYTHON)' cannot make an environment: its modules venv and ensurepip are missing."; \
		echo "On Debian or Ubuntu: sudo apt-get install python3-venv"; exit 1; } >&2
	@$(PYTHON) -m venv --clear .venv
	@touch $@

.PHONY: new-environment
new-environment:
