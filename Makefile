# make demo   the environment, then the main job on the embedded corpus: runs/demo/report.html
# make demo-lines   the same on embedded lines of handwriting: runs/demo-lines/report.html
# make test   the tests
# make lint   style, layers, strict types, dead code
# make env    the environment alone (.venv): no compiler needed

PYTHON ?= python3
TORCH ?= torch==2.13.0
# where the build of PyTorch without CUDA lies; for a GPU: make env TORCH_INDEX=https://download.pytorch.org/whl/cu128
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
pip = .venv/bin/python -m pip --disable-pip-version-check --quiet

.PHONY: env demo demo-lines test lint clean
env: .venv/complete

.venv/complete: pyproject.toml Makefile
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "untold needs Python 3.11 or later: make env PYTHON=python3.12")'
	$(PYTHON) -m venv --clear .venv
	$(pip) install --no-deps --retries 0 --timeout 5 --index-url $(TORCH_INDEX) $(TORCH) 2>/dev/null || $(pip) install $(TORCH)
	$(pip) install $(TORCH) --editable '.[espeak]'
	.venv/bin/python -m untold.warm
	touch $@

.venv/dev: .venv/complete
	$(pip) install $(TORCH) --editable '.[espeak,dev]'
	touch $@

demo: .venv/complete
	.venv/bin/untold discover espeak --method demo --out runs/demo --force

demo-lines: .venv/complete
	.venv/bin/untold discover digit-lines --minutes 3 --out runs/demo-lines --force

test: .venv/dev
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -q -n 2 --dist worksteal tests

lint: .venv/dev
	.venv/bin/ruff check src tests benchmarks
	.venv/bin/lint-imports --no-cache
	.venv/bin/mypy
	.venv/bin/vulture

clean:
	rm -rf .venv runs
