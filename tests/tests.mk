# SPDX-License-Identifier: BSD-2-Clause
include tests/unit/unit.mk
include tests/model/model.mk

lint: ## formatting, static analysis, licence lines
	tests/lint

format: ## clang-format all C files in place
	find vmm guest shared tests -name '*.[ch]' | xargs clang-format -i

.PHONY: lint format
