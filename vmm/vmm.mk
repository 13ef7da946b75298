# SPDX-License-Identifier: BSD-2-Clause
VMM_OBJS  := $(patsubst %.c,$(BUILD)/%.o,$(wildcard vmm/*.c))
VMM_LIBS  := -luring -ljansson -pthread

vmm: $(BUILD)/vmm/hyperflush ## build the VMM

$(BUILD)/vmm/hyperflush: $(VMM_OBJS)
	$(CC) $(VMM_CFLAGS) -o $@ $^ $(VMM_LIBS)

$(BUILD)/vmm/%.o: vmm/%.c vmm/vmm.mk Makefile
	@mkdir -p $(@D)
	$(CC) $(CBASE) -O2 -pthread $(VMM_CFLAGS) -c -o $@ $<

-include $(VMM_OBJS:.o=.d)

.PHONY: vmm
