# SPDX-License-Identifier: BSD-2-Clause
include tests/unit/unit.mk
include tests/model/model.mk
include tests/sim/sim.mk
include tests/fuzz/fuzz.mk

mutants: sim ## break guest/mm in each listed way: the simulator must catch it
	@tests/sim/mutants/run

FUZZ_INPUTS ?= 10000000
fuzz: ## fuzz the VMM: FUZZ_INPUTS=10000000 hypercall sequences, a tenth of each other kind; counts them
	@tests/testbed/setup fuzz
	@tests/fuzz/run --inputs $(FUZZ_INPUTS)

conformance: ## the conformance suite on every hypervisor; writes the table in docs/conformance.md
	@tests/testbed/setup test
	@$(MAKE) --no-print-directory all
	@tests/vm/conformance

lint: ## formatting, static analysis, licence lines
	tests/lint

format: ## clang-format all C files in place
	find vmm guest shared tests -name '*.[ch]' | xargs clang-format -i

.PHONY: mutants fuzz conformance lint format
