# Two commands: `make book` and `make test`. Each makes the environment it needs, in .venv, and repairs it when typed again.
PYTHON ?= python3
BIN := .venv/bin
PY := $(BIN)/python
PORT ?= 8000
ALL_CORES := -n logical --dist loadscope
# One process more than cores: some unit tests wait for the kernels that they start.
ONE_MORE := -n $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --dist loadscope
export PYTHONPATH := $(CURDIR)
export OMP_NUM_THREADS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_QUIET := 1
unexport PYTHONDONTWRITEBYTECODE  # compiled once, not by every process
ifdef GANLIB_DATA
export GANLIB_DATA := $(abspath $(GANLIB_DATA))
endif

.PHONY: book pdf audit serve test lint unit notebooks gpu faults shifts mutants drills bench experiments cover lock newest colab links
.PHONY: python clean
.DELETE_ON_ERROR:

book: .venv/.book  ## build the book; any warning is an error
	$(PY) tools/evidence.py
	$(BIN)/jupyter-book build . --all -W -n --keep-going -q
	$(PY) tools/typeset.py
	$(PY) tools/lighter.py
	$(PY) tools/built.py

pdf: .venv/.run book  ## the book on paper: _build/html/book.pdf
	$(PY) tools/paper.py

audit: .venv/.run book  ## axe on every page, Lighthouse on three; it needs node, and brings both from npm
	npm install --prefix .venv/node --no-package-lock --silent axe-core lighthouse
	$(BIN)/pytest -q tests/book/test_audit.py

serve: book  ## read it at http://localhost:8000
	$(PY) -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

test: lint unit  ## everything: lint, unit, notebooks, the rules, the build, the wheel, the browser
	$(PY) tools/notebooks.py check
	$(PY) tools/notebooks.py test
	$(MAKE) --no-print-directory book
	$(BIN)/pytest -q $(ALL_CORES) tests/book

lint: .venv/.run
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

unit: .venv/.run  ## unit tests and doctests
	$(BIN)/pytest -q $(ONE_MORE) --doctest-modules tests ganlib --ignore=tests/book

notebooks: .venv/.run  ## run the notebooks and store their outputs; PAGE=game/optimal_discriminator for one
	$(PY) tools/notebooks.py run $(PAGE)

# With OWN=1 nothing is installed: PYTHON has its own torch, and all else that the tests need.
gpu: PY := $(if $(OWN),$(PYTHON),$(PY))
gpu: $(if $(OWN),,.venv/.run)  ## every notebook under nbval on a CUDA device; OWN=1 takes PYTHON's own torch and no network
	GANLIB_DEVICE=cuda NVIDIA_TF32_OVERRIDE=0 $(PY) tools/notebooks.py test $(PAGE)

faults: .venv/.run  ## plant faults in the cells that claims rest on, and store how many are noticed; PAGE= for one page
	$(PY) tools/faults.py $(if $(PAGE),--page $(PAGE))

shifts: .venv/.run  ## pages under N=10 fresh seed shifts, exercises included; PAGE= for one page
	$(PY) tools/shifts.py $(if $(PAGE),--page $(PAGE)) --n $(or $(N),10)

mutants: .venv/.run  ## plant faults in the mathematics; the unit tests alone must see 95 % of them
	$(PY) tools/mutants.py

drills: .venv/.run  ## plant a fault in each part of the gate, and see it caught
	$(PY) tools/drills.py

bench: .venv/.run  ## our cost beside the alternatives'
	$(PY) benchmarks/bench.py

experiments: .venv/.run  ## re-make the stored tables; interrupted, it goes on where it was
	for script in $(filter-out experiments/table.py,$(wildcard experiments/*.py)); do $(PY) $$script || failed=1; done; [ -z "$$failed" ]

cover: .venv/.run  ## draw assets/cover.webp
	$(PY) tools/cover.py

lock: .venv/.run  ## requirements.lock and environment.yml := what is installed
	$(PY) tools/lock.py

clean:
	rm -rf _build build .venv chapters/evidence/claims.json chapters/evidence/claims.md chapters/evidence/errata.md chapters/evidence/count.txt

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed, and $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo missing)."; \
	  echo "Install it (Debian, Ubuntu: apt install python3 python3-venv), or name it: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "Python's venv module is missing. Debian, Ubuntu: apt install python3-venv"; exit 1; }

# A set-up that was interrupted leaves no stamp, so the next call starts it again, from nothing if pip itself is broken.
.venv/.book: requirements.lock pyproject.toml tools/requirements.py | python
	@$(PY) -m pip --version >/dev/null 2>&1 || { rm -rf .venv; $(PYTHON) -m venv .venv; }
	@echo "Installing what the book needs, once ..."
	@$(PYTHON) tools/requirements.py book > .venv/book.txt
	$(PY) -m pip install -c requirements.lock -r .venv/book.txt
	@touch $@

.venv/.run: .venv/.book requirements.lock pyproject.toml
	@echo "Installing torch and what the tests need, once ..."
	@$(PYTHON) tools/requirements.py run > .venv/run.txt
	$(PY) -m pip install -c requirements.lock -r .venv/run.txt
	$(PY) -m pip install --no-deps --no-build-isolation -e .
	@touch $@

newest: python  ## the newest versions instead of the lock's, in a new .venv, and everything; then `make lock` keeps them
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(PYTHON) tools/requirements.py run > .venv/run.txt
	$(PY) -m pip install -r .venv/run.txt
	$(PY) -m pip install --no-deps --no-build-isolation -e .
	@touch .venv/.book .venv/.run
	PYTHONWARNINGS=error $(MAKE) --no-print-directory unit
	$(MAKE) --no-print-directory test

colab:  ## inside Google's image: installing replaces nothing there, and every notebook passes
	@mkdir -p _build
	$(PYTHON) -m pip freeze --all > _build/colab-before.txt
	@grep -q ^torch _build/colab-before.txt || { echo "There is no torch: this is not Google's image."; exit 1; }
	$(PYTHON) -m pip install .
	$(PYTHON) -m pip freeze --all > _build/colab-after.txt
	@! grep -vxFf _build/colab-after.txt _build/colab-before.txt || { echo "Installing replaced these."; exit 1; }
	$(PYTHON) -m pip install nbval
	$(PYTHON) -m ipykernel install --prefix _build/colab
	PYTHONPATH= JUPYTER_PATH=$(CURDIR)/_build/colab/share/jupyter $(PYTHON) tools/notebooks.py test $(PAGE)

links: .venv/.book  ## every link of the book answers (needs the network)
	$(PY) tools/evidence.py
	$(BIN)/jupyter-book build . --builder linkcheck --all -q --path-output _build/links
