# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with kvm-run
# The emulated machine with an Intel processor: Bochs, which emulates VMX with EPT and VPID. It boots from a CD.

# bochs_build DIR: fills DIR with Bochs, its firmware, the CD's boot loader and the program that writes CDs, and what
# of their libraries this machine has not. All of it is unpacked, nothing installed.
bochs_build() {
	local codename apt=$1/apt packages=(bochs bochs-term bochsbios vgabios isolinux syslinux-common xorriso)
	codename=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
	note "fetching Bochs (once)"
	apt_open "$apt" "$codename" "$codename-security"
	APT_CONFIG=$apt/apt.conf apt-get -qq --download-only --no-install-recommends --yes \
		-o "Dir::Cache::Archives=$apt/debs" install "${packages[@]}" >&2 || die "cannot fetch the packages of Bochs"
	apt_unpack "$apt" "${packages[@]}" "$1"
	apt_show "$apt" bochs Version >"$1/version"
	rm -rf "$apt"
}

bochs_get() {
	cached bochs bochs_build
	bochs=$entry
}

# bochs_cd DIR KERNEL-OPTIONS: makes DIR/cd, which starts the kernel with DIR/initramfs.
bochs_cd() {
	local tree=$1/cd.tree
	mkdir "$tree"
	cp "$bochs/usr/lib/ISOLINUX/isolinux.bin" "$bochs/usr/lib/syslinux/modules/bios/ldlinux.c32" "$tree"
	cp "$kernel/vmlinuz" "$tree/vmlinuz"
	gzip -1 -c "$1/initramfs" >"$tree/initramfs"
	printf 'DEFAULT a\nPROMPT 0\nLABEL a\nKERNEL vmlinuz\nINITRD initramfs\nAPPEND %s\n' "$2" >"$tree/isolinux.cfg"
	LD_LIBRARY_PATH=$bochs/usr/lib/x86_64-linux-gnu "$bochs/usr/bin/xorriso" -as mkisofs -quiet -o "$1/cd" \
		-b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "$tree" >"$1/xorriso" 2>&1 ||
		die "cannot write the CD: $(tail -n 1 "$1/xorriso")"
}

# bochs_machine DIR STDOUT STDERR: the emulator's command line, in the array $machine.
# Bochs has a debugger, which starts it by the command c; its display is a VNC port that nobody opens.
bochs_machine() {
	local share=$bochs/usr/share/bochs append="console=ttyS0,115200 quiet panic=-1 mitigations=off nowatchdog"
	append+=" nokaslr random.trust_cpu=on cryptomgr.notests tsc=reliable no_timer_check"
	append+=" initcall_blacklist=load_system_certificate_list,init_kprobe_trace"
	bochs_cd "$1" "$append"
	cat >"$1/bochsrc" <<-EOF
		display_library: rfb, options="timeout=0"
		romimage: file=$share/BIOS-bochs-latest
		vgaromimage: file=$share/VGABIOS-lgpl-latest
		cpu: model=corei7_haswell_4770, count=$smp, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=1
		memory: guest=$mem, host=$mem
		ata0-master: type=cdrom, path=$1/cd, status=inserted
		boot: cdrom
		clock: sync=none
		panic: action=fatal
		log: $1/bochs
		com1: enabled=1, mode=file, dev=$1/log
		com2: enabled=1, mode=file, dev=$2
		com3: enabled=1, mode=file, dev=$3
		com4: enabled=1, mode=file, dev=$1/results
	EOF
	echo c >"$1/bochs.commands"
	machine=(env "LD_LIBRARY_PATH=$bochs/usr/lib/x86_64-linux-gnu" "BXSHARE=$share"
		"LTDL_LIBRARY_PATH=$bochs/usr/lib/x86_64-linux-gnu/bochs/plugins"
		"$bochs/usr/bin/bochs-bin" -q -f "$1/bochsrc" -rc "$1/bochs.commands")
}
