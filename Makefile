# Everything a newcomer needs is two commands: `make demo` and `make test`. Each installs what is missing first.

PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
DEMO := build/demo
# A real 3.6 where there is one; vermin checks the same files everywhere.
PYTHON36 := $(firstword $(wildcard $(HOME)/.pyenv/versions/3.6.*/bin/python3.6) $(shell command -v python3.6) /usr/bin/python3)

.PHONY: help setup demo test check lint types floors unit files firstboot root faults test-faults guestfs emulator usb wheel format

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/ready  ## Install what is missing: Debian packages, then .venv
.venv/ready: pyproject.toml imagesmith/host/prerequisites.py
	@echo "setup: Debian packages"
	@missing=$$(/usr/bin/python3 -I imagesmith/host/prerequisites.py --apt); \
	if [ -n "$$missing" ]; then \
	  echo "  installing $$missing"; \
	  $(SUDO) apt-get update -q && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing; \
	fi
	@echo "setup: Python packages into .venv"
	/usr/bin/python3 -m venv --system-site-packages .venv
	$(PYTHON) -m pip install -q -e '.[dev]'
	@touch $@

demo: setup  ## Four personalised cards from one recipe; one of them boots and configures itself
	@mkdir -p $(DEMO)
	@rm -f $(DEMO)/card?.img
	@echo "== build: recipes/mpi.yaml on the stand-in base"
	$(PYTHON) -m imagesmith build recipes/mpi.yaml --base standin --out $(DEMO)
	@echo "== flash: four card files at once, each its own node"
	$(PYTHON) -m imagesmith flash '$(DEMO)/card<0..3>.img' --image $(DEMO)/mpi/mpi.img --size 16GiB --yes
	@echo "== verify: what lies on them, read back"
	$(PYTHON) -m imagesmith verify '$(DEMO)/card<0..3>.img' --image $(DEMO)/mpi/mpi.img
	@echo "== boot: the first card, with no keyboard attached"
	$(PYTHON) -m imagesmith boot $(DEMO)/card0.img --image $(DEMO)/mpi/mpi.img

test: check unit files firstboot wheel root faults guestfs emulator usb  ## All lanes

check: lint types floors  ## What needs no running

lint: setup  ## Style, shell scripts, and the board's Python 3.6
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	git ls-files -z '*.sh' '.ci/run' 'overlays/mpi/usr/local/bin/*' 'tests/rig/guest/tree/usr/local/bin/*' 'overlays/base/etc/update-motd.d/*' | xargs -0 -r grep -lE '^#!.*sh' -Z | xargs -0 -r shellcheck
	.venv/bin/vermin -t=3.6- --violations --no-tips firstboot imagesmith/emulator/guest

types: setup  ## mypy --strict
	.venv/bin/mypy

floors: setup  ## Which room may import which
	.venv/bin/lint-imports

unit: setup  ## No program, no network, no block device
	$(PYTEST) tests/unit

files: setup  ## Real programs on files, as any user
	$(PYTEST) tests/files

firstboot: setup  ## The agent, under Python 3.6 where there is one
	PYTHONPATH=firstboot:. $(PYTHON36) -m unittest discover -q -s tests/firstboot -t .

wheel: setup  ## The installed wheel, outside the checkout
	$(PYTEST) tests/wheel

root: setup  ## Real block devices (needs root)
	$(SUDO) env "HOME=$(HOME)" $(PYTEST) tests/root

faults: setup  ## A representative part of the fault matrix (needs root)
	$(SUDO) env "HOME=$(HOME)" $(PYTEST) tests/faults

test-faults: setup  ## The whole fault matrix, an hour: makes docs/faults.md (needs root)
	$(SUDO) env "HOME=$(HOME)" $(PYTEST) tests/faults --whole --table docs/faults.md

guestfs: setup  ## The libguestfs appliance
	$(PYTEST) tests/guestfs

emulator: setup  ## Whole cards booting in qemu-system-aarch64
	$(PYTEST) tests/emulator

usb: setup  ## Eight USB sticks, udev and hot-plug, in qemu-system-x86_64
	$(PYTEST) tests/usb

format:  ## Put the code into its form
	.venv/bin/ruff format
	.venv/bin/ruff check --fix
