# SPDX-License-Identifier: BSD-2-Clause
include tests/unit/unit.mk
include tests/model/model.mk
include tests/sim/sim.mk

mutants: sim ## break guest/mm in each listed way: the simulator must catch it
	@tests/sim/mutants/run

lint: ## formatting, static analysis, licence lines
	tests/lint

format: ## clang-format all C files in place
	find vmm guest shared tests -name '*.[ch]' | xargs clang-format -i

.PHONY: mutants lint format
