# SPDX-License-Identifier: BSD-2-Clause
# The guest kernel. Linked twice: the first link gives the symbol table for the second.

GUEST_ELF := $(BUILD)/guest/hyperflush-guest.elf
GUEST_DIR := $(BUILD)/guest/obj

GUEST_SRC := $(sort $(wildcard guest/*.c guest/*/*.c guest/*/*.S guest/conform/abi/*.[cS]))
GUEST_OBJ := $(addprefix $(GUEST_DIR)/,$(addsuffix .o,$(GUEST_SRC)))
GUEST_LDS := $(GUEST_DIR)/kernel.lds

GUEST_CFLAGS := $(CBASE) -O2 -ffreestanding -mno-red-zone -mgeneral-regs-only -mcmodel=kernel \
	-fno-pic -fno-pie -fno-stack-protector -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer \
	-fno-asynchronous-unwind-tables -fno-unwind-tables -fcf-protection=none -fno-strict-aliasing \
	-ffile-prefix-map=$(CURDIR)=. -nostdinc \
	-isystem $(shell $(CC) -print-file-name=include)
GUEST_LDFLAGS := -nostdlib -static -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
	-Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -Wl,-T,$(GUEST_LDS)

# The programs for ring 3: an image of their own, which names nothing of the kernel, and which
# guest/user/image.S embeds. The kernel saves no x87 or SSE state for them.
USER_DIR := $(BUILD)/guest/user
USER_SRC := $(sort $(wildcard guest/user/programs/*.c)) guest/lib/string.c
USER_OBJ := $(addprefix $(USER_DIR)/,$(addsuffix .o,$(USER_SRC)))
USER_LDS := $(USER_DIR)/user.lds
USER_IMAGE := $(USER_DIR)/image.bin

USER_CFLAGS := $(CBASE) -O2 -ffreestanding -mno-red-zone -mgeneral-regs-only -fno-pic -fno-pie \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fno-unwind-tables \
	-fcf-protection=none -fno-strict-aliasing -fno-builtin -ffile-prefix-map=$(CURDIR)=. \
	-nostdinc -isystem $(shell $(CC) -print-file-name=include)

guest: $(GUEST_ELF) ## build the guest kernel

$(GUEST_DIR)/%.o: % guest/guest.mk
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -c $< -o $@

$(GUEST_LDS): guest/boot/kernel.lds guest/boot/layout.h
	@mkdir -p $(@D)
	$(CC) -E -P -x c -I. -D__ASSEMBLER__ $< -o $@

$(USER_DIR)/%.o: % guest/guest.mk
	@mkdir -p $(@D)
	$(CC) $(USER_CFLAGS) -c $< -o $@

$(USER_LDS): guest/user/programs/user.lds guest/boot/layout.h
	@mkdir -p $(@D)
	$(CC) -E -P -x c -I. -D__ASSEMBLER__ $< -o $@

$(USER_DIR)/programs.elf: $(USER_OBJ) $(USER_LDS)
	$(CC) -nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments \
		-Wl,-T,$(USER_LDS) $(USER_OBJ) -o $@

$(USER_IMAGE): $(USER_DIR)/programs.elf
	objcopy -O binary $< $@

$(GUEST_DIR)/guest/user/image.S.o: $(USER_IMAGE)
$(GUEST_DIR)/guest/user/image.S.o: GUEST_CFLAGS += -DUSER_IMAGE='"$(USER_IMAGE)"'

# Text symbols in ascending order, as the table of lib/symbols.c. Text lies before
# the table, so that its addresses are the same in both links.
GUEST_SYMBOLS_AWK = BEGIN { print ".section .symbols, \"a\"\n.balign 8"; \
		print ".globl symbol_table, symbol_table_end\nsymbol_table:" } \
	$$2 ~ /^[tT]$$/ { print ".quad 0x" $$1 ", name" n; name[n++] = $$3 } \
	END { print "symbol_table_end:"; \
		for (i = 0; i < n; i++) print "name" i ": .asciz \"" name[i] "\"" }

$(GUEST_DIR)/symbols-%.S: $(GUEST_DIR)/pass-%.elf
	LC_ALL=C nm $< | LC_ALL=C sort | awk 'BEGIN { n = 0 } $(GUEST_SYMBOLS_AWK)' > $@

$(GUEST_DIR)/symbols-0.S: guest/guest.mk
	@mkdir -p $(@D)
	awk 'BEGIN { n = 0 } $(GUEST_SYMBOLS_AWK)' < /dev/null > $@

$(GUEST_DIR)/symbols-%.o: $(GUEST_DIR)/symbols-%.S
	$(CC) -c $< -o $@

$(GUEST_DIR)/pass-1.elf: $(GUEST_OBJ) $(GUEST_DIR)/symbols-0.o $(GUEST_LDS)
	$(CC) $(GUEST_LDFLAGS) $(GUEST_OBJ) $(GUEST_DIR)/symbols-0.o -o $@

$(GUEST_ELF): $(GUEST_OBJ) $(GUEST_DIR)/symbols-1.o $(GUEST_LDS)
	$(CC) $(GUEST_LDFLAGS) $(GUEST_OBJ) $(GUEST_DIR)/symbols-1.o -o $@

-include $(GUEST_OBJ:.o=.d) $(USER_OBJ:.o=.d)

.SECONDARY: $(GUEST_DIR)/pass-1.elf $(GUEST_DIR)/symbols-1.S $(GUEST_DIR)/symbols-0.S \
	$(GUEST_DIR)/symbols-0.o $(GUEST_DIR)/symbols-1.o
.PHONY: guest
