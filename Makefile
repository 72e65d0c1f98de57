# Everything needs Python 3.11 and pip, and nothing else: each target installs what it lacks into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
DEMO := data/sample

# Each of the many processes would otherwise compile the libraries anew, 5 to 20 seconds apiece.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo check test soak

install: .venv/installed

# torch by pip first: where a CPU build is configured pip takes it, and uv then leaves it alone.
.venv/installed: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check uv==0.13.9 torch==2.13.0
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

demo: install
	$(BIN)/shotline sample $(DEMO)
	$(BIN)/shotline train $(DEMO)
	$(BIN)/shotline classify $$(ls $(DEMO)/test/*/* | sed -n '5p;100p')
	@echo "serve them: $(BIN)/shotline serve, then curl -F images=@$$(ls $(DEMO)/test/*/* | head -1) localhost:3000/classify"

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Two test processes keep two cores busy: each computes with one thread, where nothing else is said. A file's tests run in
# one of them: what they share is made once (pytest-xdist's loadgroup has no effect with this pytest).
test: install
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder -m "not soak"

soak: install
	$(BIN)/pytest
