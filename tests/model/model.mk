# SPDX-License-Identifier: BSD-2-Clause
models: ## check the models of the protocols, all cases; `make test` takes the quick ones
	@$(SETUP) model
	@tests/model/run all

.PHONY: models
