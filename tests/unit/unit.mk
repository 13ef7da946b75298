# SPDX-License-Identifier: BSD-2-Clause
# Hosted unit tests: each module's own test, built for each set of sanitizers it is listed under.
# asan: addresses and undefined behaviour. tsan: races. model: vmm/flush.c, ring.c and detach.c on the explorer's atomics.

unit_dir := $(BUILD)/tests/unit/$(notdir $(firstword $(CC)))

unit_flags_asan  := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
unit_flags_tsan  := -O1 -fsanitize=thread
unit_flags_model := -O2

unit_asan  := hypercall hypercall_ranges hypercall_fence hypercall_detach flush flush_threads ring ring_threads ring_service doorbell detach detach_threads elf gmem cpuid acpi serial console \
	      result report placement stopper harness service service_detach service_ring vcpu vcpu_detach backend caveat plan ktap \
	      histogram trace watch tracer sink stats_json findings
unit_tsan  := flush_threads ring_threads ring_service detach_threads console trace
unit_model := flush_model ring_model detach_model

# The sources a test is linked with, besides its own.
unit_watch   := vmm/watch.c vmm/trace.c vmm/histogram.c
unit_service := vmm/service.c vmm/detach.c vmm/hypercall.c vmm/flush.c vmm/ring.c vmm/gmem.c tests/unit/fake_kvm.c \
		tests/unit/service_fixture.c $(unit_watch)
unit_vcpu    := vmm/vcpu.c vmm/flush.c vmm/gmem.c vmm/cpuid.c tests/unit/fake_kvm.c tests/unit/vcpu_fixture.c $(unit_watch)

unit_of_hypercall        := vmm/hypercall.c tests/unit/request_fixture.c
unit_of_hypercall_ranges := vmm/hypercall.c tests/unit/request_fixture.c
unit_of_hypercall_fence  := vmm/hypercall.c tests/unit/request_fixture.c
unit_of_hypercall_detach := vmm/hypercall.c
unit_of_flush            := vmm/flush.c vmm/hypercall.c
unit_of_flush_threads    := vmm/flush.c vmm/hypercall.c
unit_of_flush_model      := vmm/flush.c tests/unit/explorer.c
unit_of_ring             := vmm/ring.c vmm/flush.c vmm/hypercall.c
unit_of_ring_threads     := vmm/ring.c vmm/flush.c vmm/hypercall.c
unit_of_ring_model       := vmm/ring.c vmm/flush.c vmm/hypercall.c tests/unit/explorer.c
unit_of_ring_service     := vmm/ring_service.c vmm/ring.c vmm/doorbell.c vmm/flush.c vmm/hypercall.c tests/unit/fake_poll.c $(unit_watch)
unit_of_doorbell         := vmm/doorbell.c tests/unit/fake_poll.c
unit_of_detach           := vmm/detach.c vmm/flush.c vmm/hypercall.c
unit_of_detach_threads   := vmm/detach.c vmm/flush.c
unit_of_detach_model     := vmm/detach.c vmm/flush.c tests/unit/explorer.c
unit_of_elf              := vmm/elf.c vmm/gmem.c tests/unit/fake_kvm.c
unit_of_gmem             := vmm/gmem.c tests/unit/fake_kvm.c
unit_of_cpuid            := vmm/cpuid.c
unit_of_acpi             := vmm/acpi.c
unit_of_serial           := vmm/serial.c vmm/console.c tests/unit/fake_kvm.c
unit_of_console          := vmm/console.c
unit_of_result           := vmm/result.c
unit_of_report           := vmm/report.c vmm/plot.c vmm/result.c
unit_of_placement        := vmm/placement.c
unit_of_stopper          := vmm/stopper.c vmm/gmem.c tests/unit/fake_kvm.c
unit_of_harness          := vmm/harness.c vmm/placement.c vmm/stopper.c vmm/gmem.c tests/unit/fake_kvm.c
unit_of_service          := $(unit_service)
unit_of_service_detach   := $(unit_service)
unit_of_service_ring     := $(unit_service)
unit_of_vcpu             := $(unit_vcpu)
unit_of_vcpu_detach      := $(unit_vcpu)
unit_of_backend          := vmm/backend.c vmm/cpuid.c tests/unit/fake_kvm.c
unit_of_caveat           := vmm/caveat.c vmm/backend.c vmm/cpuid.c tests/unit/fake_kvm.c
unit_of_plan             := vmm/plan.c vmm/options.c vmm/backend.c vmm/cpuid.c tests/unit/fake_kvm.c
unit_of_ktap             := vmm/ktap.c
unit_of_histogram        := vmm/histogram.c
unit_of_trace            := vmm/trace.c
unit_of_watch            := $(unit_watch) vmm/flush.c
unit_of_tracer           := vmm/tracer.c vmm/trace_json.c vmm/switches.c $(unit_watch)
unit_of_sink             := vmm/sink.c
unit_of_stats_json       := $(unit_service) vmm/stats_json.c vmm/stats.c vmm/tracer.c vmm/trace_json.c vmm/switches.c
unit_of_findings         := vmm/findings.c vmm/ktap.c

unit_libs := -lcmocka -ljansson -luring -pthread

# $(1) set, $(2) test
define unit_binary
$(unit_dir)/$(1)/test_$(2): $(addprefix $(unit_dir)/$(1)/,tests/unit/test_$(2).o $(patsubst %.c,%.o,$(unit_of_$(2))))
	$$(CC) $$(unit_flags_$(1)) $$^ $$(unit_libs) -o $$@
unit_binaries += $(unit_dir)/$(1)/test_$(2)
unit_depends  += $(addprefix $(unit_dir)/$(1)/,tests/unit/test_$(2).d $(patsubst %.c,%.d,$(unit_of_$(2))))
endef

define unit_set
$(unit_dir)/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(CC) $$(CBASE) $$(unit_flags_$(1)) -c $$< -o $$@
$(foreach test,$(unit_$(1)),$(eval $(call unit_binary,$(1),$(test))))
endef

$(foreach set,asan tsan model,$(eval $(call unit_set,$(set))))

unit_explored := -include tests/unit/atomics.h
unit_fake_kvm := -Dioctl=fake_ioctl
$(addprefix $(unit_dir)/model/vmm/,flush.o ring.o detach.o): unit_flags_model += $(unit_explored)
unit_fake_poll := -include tests/unit/fake_poll.h
$(unit_dir)/asan/vmm/vcpu.o: unit_flags_asan += $(unit_fake_kvm)
$(unit_dir)/asan/vmm/doorbell.o: unit_flags_asan += $(unit_fake_poll)
$(unit_dir)/tsan/vmm/doorbell.o: unit_flags_tsan += $(unit_fake_poll)

# Each patch in mutants/X/ breaks vmm/Y.c in one place. $(1) X, $(2) set, $(3) test of that set that must fail
# with it, $(4) Y, $(5) flags. The original's object stands for the headers.
define unit_mutants_of
unit_mutants_$(1) := $(patsubst tests/unit/mutants/%.patch,$(unit_dir)/mutants/%,$(wildcard tests/unit/mutants/$(1)/*.patch))
unit_mutants += $$(unit_mutants_$(1))

$(unit_dir)/mutants/$(1)/%.c: tests/unit/mutants/$(1)/%.patch vmm/$(4).c
	@mkdir -p $$(@D)
	patch --silent --fuzz=0 --output=$$@ vmm/$(4).c $$<

$(unit_dir)/mutants/$(1)/%.o: $(unit_dir)/mutants/$(1)/%.c $(unit_dir)/$(2)/vmm/$(4).o
	$$(CC) -std=gnu17 -w $(unit_flags_$(2)) $(5) -I. -Ivmm -c $$< -o $$@

$$(unit_mutants_$(1)): %: %.o $(filter-out %/vmm/$(4).o,$(addprefix $(unit_dir)/$(2)/,tests/unit/test_$(3).o $(unit_of_$(3):.c=.o)))
	$$(CC) $(unit_flags_$(2)) $$^ $$(unit_libs) -o $$@
endef

$(eval $(call unit_mutants_of,flush,model,flush_model,flush,$(unit_explored)))
$(eval $(call unit_mutants_of,detach,model,detach_model,detach,$(unit_explored)))
$(eval $(call unit_mutants_of,ring,asan,ring,ring))
$(eval $(call unit_mutants_of,ring_order,model,ring_model,ring,$(unit_explored)))
$(eval $(call unit_mutants_of,doorbell,asan,doorbell,doorbell,$(unit_fake_poll)))
$(eval $(call unit_mutants_of,ring_service,asan,ring_service,ring_service))
$(eval $(call unit_mutants_of,vcpu,asan,vcpu,vcpu,$(unit_fake_kvm)))
$(eval $(call unit_mutants_of,vcpu_detach,asan,vcpu_detach,vcpu,$(unit_fake_kvm)))
$(eval $(call unit_mutants_of,histogram,asan,histogram,histogram))
$(eval $(call unit_mutants_of,trace,asan,trace,trace))
$(eval $(call unit_mutants_of,watch,asan,watch,watch))
$(eval $(call unit_mutants_of,tracer,asan,tracer,tracer))
$(eval $(call unit_mutants_of,switches,asan,tracer,switches))

.SECONDARY: $(addsuffix .c,$(unit_mutants)) $(addsuffix .o,$(unit_mutants))

# What tests/unit/run runs when it is given nothing.
units: $(unit_binaries) $(unit_mutants)
	@printf '%s\n' $(unit_binaries) --mutants $(unit_mutants) > $(BUILD)/tests/unit/programs

unit: units ## run the hosted unit tests
	tests/unit/run

.PHONY: unit units
.DELETE_ON_ERROR: # a patch that does not apply leaves half a file

-include $(unit_depends)
