# SPDX-License-Identifier: BSD-2-Clause
# The guest's memory management on simulated CPUs: guest/mm/*.c unchanged, with the headers of
# tests/sim/shadow/ before its own. tests/sim/mutants/run builds mutants with this file alone:
# SIM_TREE is where the guest/ of one lies, SIM_OUT where its objects go, SIM_CHANGED those that are not
# as in SIM_BASE.
BUILD ?= build

SIM_TREE ?= .
SIM_OUT  ?= $(BUILD)/tests/sim/$(notdir $(firstword $(CC)))
SIM_BASE ?= $(SIM_OUT)
# The simulator's own objects, which mutants share.
SIM_ENGINE ?= $(SIM_OUT)/engine

# Not page.c, whose place frames.c takes. Those in sim_wrapped include page.c and pgtable.c.
sim_guest := $(filter-out guest/mm/page.c guest/mm/pgtable.c,$(wildcard guest/mm/*.c)) \
	guest/cpu/root.c guest/flush/flush.c guest/flush/ring.c guest/sched/mutex.c
sim_wrapped := tests/sim/kernel_tables.c tests/sim/buddy.c
sim_engine := $(filter-out $(sim_wrapped),$(wildcard tests/sim/*.c)) $(wildcard tests/sim/scenarios/*.c)
sim_guest_names := $(sim_guest:.c=.o) $(sim_wrapped:.c=.o)
SIM_CHANGED ?= $(sim_guest_names)
sim_guest_objects := $(addprefix $(SIM_BASE)/,$(filter-out $(SIM_CHANGED),$(sim_guest_names))) \
	$(addprefix $(SIM_OUT)/,$(filter $(SIM_CHANGED),$(sim_guest_names)))
sim_engine_objects := $(patsubst %.c,$(SIM_ENGINE)/%.o,$(sim_engine))

SIM_WARN ?= -Wall -Wextra -Werror -Wno-unused-value

SIM := $(SIM_OUT)/sim

sim_flags := -std=gnu17 -O2 -g -D_GNU_SOURCE -fno-pie -fno-strict-aliasing -fno-common \
	-fno-builtin-memset -fno-builtin-memcpy -MMD -MP -Itests/sim/shadow

$(SIM): $(SIM_OUT)/guest.o $(sim_engine_objects)
	$(CC) -no-pie $^ -o $@

# The guest's variables get sections of their own: they are set anew for each schedule.
$(SIM_OUT)/guest.o: $(sim_guest_objects)
	$(LD) -r $^ -o $@.all
	objcopy --rename-section .data=guest_data --rename-section .bss=guest_bss,alloc,load,data,contents \
		$@.all $@

$(SIM_OUT)/guest/%.o: $(SIM_TREE)/guest/%.c
	@mkdir -p $(@D)
	$(CC) $(sim_flags) $(SIM_WARN) -I$(SIM_TREE) -I. -c $< -o $@

# threads.c has a mutex that takes fewer steps; this one is tried by itself.
$(SIM_OUT)/guest/sched/mutex.o: sim_flags += -Dmutex_lock=real_mutex_lock \
	-Dmutex_unlock=real_mutex_unlock -Dmutex_held=real_mutex_held

$(SIM_OUT)/tests/sim/%.o: tests/sim/%.c
	@mkdir -p $(@D)
	$(CC) $(sim_flags) $(SIM_WARN) -I$(SIM_TREE) -I. -c $< -o $@

$(SIM_ENGINE)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(sim_flags) $(SIM_WARN) -Wconversion -I. -c $< -o $@

sim: $(SIM) ## build the simulator

.PHONY: sim

-include $(sim_guest_objects:.o=.d) $(sim_engine_objects:.o=.d)
