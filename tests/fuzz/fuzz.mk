# SPDX-License-Identifier: BSD-2-Clause
# Fuzz targets: tests/fuzz/NAME.c with what it drives, under libFuzzer and the sanitizers. libFuzzer is clang's, so
# CC does not matter. tests/fuzz/run builds mutants with this file alone: FUZZ_TREE is where the changed source
# lies, FUZZ_OUT where its object goes, FUZZ_CHANGED that object; all others are those in FUZZ_BASE.
BUILD     ?= build
FUZZ_CC   ?= clang
FUZZ_TREE ?= .
FUZZ_BASE ?= $(BUILD)/tests/fuzz
FUZZ_OUT  ?= $(FUZZ_BASE)
FUZZ_WARN ?= -Wall -Wextra -Wshadow -Wconversion -Werror

fuzz_targets := hypercall ring devices elf boot bootinfo

fuzz_service := vmm/service.c vmm/detach.c vmm/hypercall.c vmm/flush.c vmm/ring.c vmm/gmem.c vmm/cpuid.c vmm/exit.c vmm/device.c \
	vmm/serial.c vmm/console.c vmm/harness.c vmm/placement.c vmm/stopper.c vmm/stats.c vmm/watch.c vmm/trace.c vmm/histogram.c tests/unit/fake_kvm.c \
	tests/unit/service_fixture.c tests/fuzz/machine_fixture.c tests/fuzz/threads.c tests/fuzz/host.c \
	tests/fuzz/stop.c tests/fuzz/words.c
fuzz_of_hypercall := $(fuzz_service) tests/fuzz/reference.c tests/fuzz/effects.c
fuzz_of_ring      := $(fuzz_of_hypercall) tests/fuzz/ring_reference.c tests/fuzz/image.c vmm/ring_service.c
fuzz_of_devices   := $(fuzz_service)
fuzz_of_elf       := vmm/elf.c vmm/gmem.c tests/unit/fake_kvm.c
fuzz_of_boot      := vmm/boot.c vmm/acpi.c vmm/elf.c vmm/gmem.c vmm/backend.c vmm/cpuid.c tests/unit/fake_kvm.c \
	tests/fuzz/stop.c tests/fuzz/no_xen.c guest/boot/acpi.c guest/boot/bootinfo.c
fuzz_of_bootinfo  := guest/boot/acpi.c guest/boot/bootinfo.c tests/fuzz/no_xen.c vmm/gmem.c tests/unit/fake_kvm.c

fuzz_sanitize := address,undefined
fuzz_flags    := -std=gnu17 -g -O2 -fno-common -fno-sanitize-recover=all -fsanitize=$(fuzz_sanitize) -MMD -MP \
	-iquote vmm -iquote tests/fuzz

# The sources of target $(1), and its objects: those that are as they were, then those that are not.
fuzz_sources = tests/fuzz/$(1).c tests/fuzz/ram.c $(fuzz_of_$(1))
fuzz_objects = $(addprefix $(FUZZ_BASE)/,$(filter-out $(FUZZ_CHANGED),$(patsubst %.c,%.o,$(fuzz_sources)))) \
	$(addprefix $(FUZZ_OUT)/,$(filter $(FUZZ_CHANGED),$(patsubst %.c,%.o,$(fuzz_sources))))

define fuzz_binary
$(FUZZ_OUT)/$(1): $(call fuzz_objects,$(1))
	$(FUZZ_CC) -fsanitize=fuzzer,$(fuzz_sanitize) $$^ -lcmocka -pthread -o $$@
fuzz_depends += $(patsubst %.o,%.d,$(call fuzz_objects,$(1)))
endef
$(foreach target,$(fuzz_targets),$(eval $(call fuzz_binary,$(target))))

$(FUZZ_OUT)/%.o: $(FUZZ_TREE)/%.c tests/fuzz/fuzz.mk
	@mkdir -p $(@D)
	$(FUZZ_CC) $(fuzz_flags) $(FUZZ_WARN) -I$(FUZZ_TREE) -I. -c $< -o $@

# libFuzzer looks for new ways through the code that is tested, not through the tests.
$(FUZZ_OUT)/vmm/%.o $(FUZZ_OUT)/guest/%.o $(FUZZ_OUT)/tests/fuzz/threads.o: fuzz_flags += -fsanitize=fuzzer-no-link

# Their threads, their clock, the host's CPUs and memory, and the end of a read are the fuzzer's.
$(FUZZ_OUT)/vmm/flush.o $(FUZZ_OUT)/vmm/detach.o: fuzz_flags += -Dsyscall=fake_syscall \
	-Dclock_gettime=fake_clock_gettime
$(FUZZ_OUT)/vmm/service.o: fuzz_flags += -Dgmem_read=fake_gmem_read
$(FUZZ_OUT)/vmm/harness.o: fuzz_flags += -Dmalloc=fake_malloc
$(FUZZ_OUT)/vmm/placement.o: fuzz_flags += -Dsched_setaffinity=fake_sched_setaffinity \
	-Dpthread_create=fake_pthread_create -Dpthread_join=fake_pthread_join
# So are the thread of the rings, its lock, and the time between its accesses to guest memory.
$(FUZZ_OUT)/vmm/ring_service.o: fuzz_flags += -Dpthread_create=fake_ring_thread -Dpthread_mutex_lock=fake_ring_lock \
	-Dpthread_mutex_unlock=fake_ring_unlock
$(FUZZ_OUT)/vmm/ring.o: fuzz_flags += -include tests/fuzz/words.h -DHF_WATCHED_WORDS
# Its physical memory as well.
$(FUZZ_OUT)/guest/%.o $(FUZZ_OUT)/tests/fuzz/boot.o $(FUZZ_OUT)/tests/fuzz/bootinfo.o: fuzz_flags += \
	-Itests/fuzz/shadow

fuzzers: $(addprefix $(FUZZ_OUT)/,$(fuzz_targets))

.PHONY: fuzzers

-include $(sort $(fuzz_depends))
