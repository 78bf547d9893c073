# make run    the site, on http://127.0.0.1:8080, from a clone with nothing but Python 3.10 or newer
# make test   every check there is; as root on Debian it first installs the servers that the tests start
# make readonly  the tests where nothing can be written, by themselves neither, but for one folder of theirs
# make lint   the checks that run nothing
# make bench  the benchmarks
# make clean  remove what the others made; a database stays

PYTHON ?= python3
# More of pytest's arguments: make test ARGS="-k memcached"
ARGS ?=
BIN := .venv/bin
# One more than there are cores, because many tests wait for a server; four are enough.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN || echo 2); echo $$((n < 3 ? n + 1 : 4)))

.PHONY: run test readonly lint ruff format mypy imports packages bench clean
.DELETE_ON_ERROR:

run: .venv/run
	$(BIN)/demijohn run

test: packages .venv/test
	@$(MAKE) --no-print-directory lint
	$(BIN)/pytest --numprocesses=$(WORKERS) --dist=worksteal $(ARGS)

# A site that a test starts can write nothing at all, here as in `make test`: tests/readonly.py. Caches are pip's and uv's;
# by /proc a process is told to forget the peak of its memory.
readonly: packages .venv/test
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && bwrap --ro-bind / / --dev /dev --tmpfs /dev/shm \
		--bind "$$folder" "$$folder" --setenv TMPDIR "$$folder" --setenv XDG_CACHE_HOME "$$folder" \
		--bind /proc /proc --die-with-parent -- \
		$(BIN)/pytest -p no:cacheprovider --numprocesses=$(WORKERS) --dist=worksteal $(ARGS)

# Side by side, the output of each in one piece.
lint: .venv/test
	@$(MAKE) --no-print-directory --jobs=2 --keep-going --output-sync=target mypy ruff format imports

mypy: .venv/test
	$(BIN)/mypy

ruff: .venv/test
	$(BIN)/ruff check

format: .venv/test
	$(BIN)/ruff format --check

imports: .venv/test
	$(BIN)/lint-imports

bench: .venv/test
	$(BIN)/python -m benchmarks

packages:
	@sh tests/packages.sh mariadbd=mariadb-server-core my_print_defaults=mariadb-client-core memcached=memcached \
		redis-server=redis-server postgres=postgresql chromium=chromium bwrap=bubblewrap uwsgi=uwsgi-plugin-python3 \
		nginx=nginx-light \
		saslpasswd2="sasl2-bin libsasl2-modules"

# On all cores, which pip does on one. A site writes no byte code as it runs, and would compile what it imports each time.
COMPILE := $(BIN)/python -m compileall -qq -j 0 .venv/lib || :

# Each of the two files says: what pyproject.toml names is installed.
.venv/run: pyproject.toml | .venv/bin/pip
	$(BIN)/pip install --quiet --no-compile --editable .
	@$(COMPILE)
	@touch $@

.venv/test: pyproject.toml | .venv/bin/pip
	$(BIN)/pip install --quiet --no-compile --editable . --group test
	@$(COMPILE)
	@touch $@ .venv/run

# Dependency groups need pip 25.1. Debian keeps what venv needs in a package of its own.
.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Demijohn needs Python 3.10 or newer: make PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh tests/packages.sh =python3-venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

clean:
	rm -rf .venv dist .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
