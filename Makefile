# Everything is done by bootstrap.py, which needs nothing but Python 3.11 to 3.14.
# More arguments: make test ARGS="tests/ledger -k sweeper"
PYTHON ?= python3
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run demo test lint format bench screenshots lock clean

help: ## say what there is
	@grep -E '^[a-z]+: ## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+): ## (.*)/  make \1\t\2/' | expand -t 20

run: ## set up what is missing and serve until Ctrl-C
	@exec $(PYTHON) bootstrap.py run $(ARGS)

demo: ## the same, with a simulated hospital day
	@exec $(PYTHON) bootstrap.py demo $(ARGS)

test: ## run the tests on SQLite, then on PostgreSQL and Redis
	@$(PYTHON) bootstrap.py test $(ARGS)

lint: ## check style, types, and who may import whom
	@$(PYTHON) bootstrap.py lint $(ARGS)

format: ## lay out code, templates, scripts and styles as lint wants them
	@$(PYTHON) bootstrap.py format $(ARGS)

bench: ## measure
	@$(PYTHON) bootstrap.py bench $(ARGS)

screenshots: ## take a picture of each page, in both themes, into docs/screenshots
	@$(PYTHON) bootstrap.py screenshots $(ARGS)

lock: ## pin the requirements anew
	@$(PYTHON) bootstrap.py lock $(ARGS)

clean: ## remove what can be made anew; var, the data, stays
	rm -rf .venv .frontend web/static/vendor .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
