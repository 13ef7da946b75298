# SPDX-License-Identifier: BSD-2-Clause
# `make help` lists the targets. CC=clang works too.
ifeq ($(origin CC),default)
CC := gcc
endif
BUILD := build
WARN  := -Wall -Wextra -Wshadow -Wconversion -Werror
CBASE := -std=gnu17 -g $(WARN) -fno-common -I. -MMD -MP

VMM     := $(BUILD)/vmm/hyperflush
GUEST   := $(BUILD)/guest/hyperflush-guest.elf
KVM_RUN := tests/testbed/kvm-run
SETUP   := tests/testbed/setup

all: guest vmm ## build the guest and the VMM

include guest/guest.mk
include vmm/vmm.mk
include tests/tests.mk

test: ## set up, build, run every test; the last line is the tally
	@$(SETUP) test
	@$(MAKE) --no-print-directory all units sim
	@tests/run

test-all: ## the same with Linux 7.2 and the long runs
	@$(SETUP) test
	@$(MAKE) --no-print-directory all units sim
	@tests/run all

# Counting mode, if this machine has no KVM of its own: one tick is one instruction.
SUITE        ?= flush
BENCH_KERNEL ?= 6.12
bench: ## measure the backends: table, build/bench/SUITE.json and .svg; QUICK=1, SUITE=name
	@$(SETUP) bench
	@$(MAKE) --no-print-directory all
	@tests/bench --suite $(SUITE) $(if $(QUICK),--quick)

run: all ## boot the guest: make run ARGS="--cpus 4 --append suite=boot"
	$(KVM_RUN) --file $(GUEST) -- $(VMM) run $(ARGS) $(GUEST)

clean: ## remove what was built; the test bench's kernels stay
	rm -rf $(BUILD)/guest $(BUILD)/vmm $(BUILD)/tests $(BUILD)/bench $(BUILD)/conformance

help:
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: all test test-all bench run clean help
