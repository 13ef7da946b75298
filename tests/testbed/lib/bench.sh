# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with kvm-run
# The emulated machine: a Linux with kvm_amd under QEMU's emulation of AMD's virtualization, or with kvm_intel under
# Bochs's emulation of Intel's (bochs.sh).

# bench_archive DIR: makes DIR/initramfs out of the payload, the kernel's modules, busybox and init.
bench_archive() {
	local root=$1/root/kvm-run file word
	mkdir -p "$root/work" "$root/modules" "$1/root/bin"
	cp "$(command -v busybox)" "$1/root/bin/busybox" || die "busybox is missing; run tests/testbed/setup"
	ln -s busybox "$1/root/bin/sh"
	cp "$kernel"/modules/* "$root/modules"
	cp "$testbed_dir/init" "$1/root/init"
	cat >"$root/env" <<-EOF
		export HF_TESTBED=$mode HF_NPT=$npt HF_KERNEL=$series KVM_RUN_OUT=/result/out
		export PATH=/bin HOME=/tmp
	EOF
	printf exec >"$root/command"
	for word in "${command[@]}"; do
		printf " '%s'" "${word//\'/\'\\\'\'}"
	done >>"$root/command"
	for file in "${outs[@]}"; do
		printf '%s\n' "${file%%:*}"
	done >"$root/out"
	stage_libraries "$1/root"
	stage_archive "$1/root" >"$1/initramfs"
}

# bench_qemu DIR STDOUT STDERR: the emulator's command line, in the array $machine.
# shellcheck disable=SC2054 # commas are QEMU's
bench_qemu() {
	local append="console=ttyS0 quiet panic=-1 mitigations=off nowatchdog random.trust_cpu=on tsc=reliable"
	append+=" nokaslr cryptomgr.notests no_timer_check cpu_init_udelay=0"
	machine=("${emulator_command[@]}" -nodefaults -no-user-config -display none -no-reboot
		-machine q35,usb=off,smbus=off -cpu max -smp "$smp" -m "$mem" -nic none
		-kernel "$kernel/vmlinuz" -initrd "$1/initramfs" -append "$append"
		-serial "file:$1/log" -serial "file:$2" -serial "file:$3" -serial "file:$1/results")
	if [ "$mode" = icount ]; then
		machine+=(-accel tcg,thread=single -icount shift=0,sleep=off -rtc base=2026-01-01,clock=vm -seed 1)
	else
		machine+=(-accel tcg,thread=multi)
	fi
}

# bench_run DIR: runs the machine, passing the command's output on as it comes. Sets $status and leaves DIR/results.
bench_run() {
	local out err copies=()
	# Copied by programs of their own: QEMU would cut a file that standard output appends to.
	exec {out}> >(exec cat)
	copies+=($!)
	exec {err}> >(exec cat >&2)
	copies+=($!)
	case $vendor in
	amd) bench_qemu "$1" "/dev/fd/$out" "/dev/fd/$err" ;;
	intel) bochs_machine "$1" "/dev/fd/$out" "/dev/fd/$err" ;;
	esac
	timeout -k 5 "$limit" "${machine[@]}" </dev/null >"$1/emulator" 2>&1 &
	child=$!
	wait "$child"
	status=$?
	child=
	exec {out}>&- {err}>&-
	wait "${copies[@]}"
}

# bench_collect DIR: unpacks the results; ends kvm-run when the machine left none. Sets $status to the command's.
bench_collect() {
	local result=$1/result problem
	mkdir "$result"
	case $status in
	124 | 137) problem="no end within $limit s" status=$EXIT_TIMEOUT ;;
	0)
		problem=$(grep -ao 'Kernel panic.*' "$1/log" | head -n 1 | tr -d '\r')
		problem=${problem:-the emulated machine stopped without a result}
		;;
	*) problem="the emulator failed with status $status" ;;
	esac
	if ! tar -C "$result" -xf "$1/results" 2>/dev/null || [ ! -s "$result/status" ]; then
		note "$problem; the end of its log:"
		tail -q -n 15 "$1/emulator" "$1/bochs" "$1/log" 2>/dev/null | tr -d '\r' >&2
		[ "$status" = "$EXIT_TIMEOUT" ] || status=$EXIT_BENCH
		exit "$status"
	fi
	status=$(cat "$result/status")
}

# bench: runs the command in the emulated machine. Leaves its files in $scratch/result, its exit status in $status.
bench() {
	case $vendor in
	amd) emulator_get ;;
	intel) bochs_get ;;
	esac
	kernel_get "$series" "$vendor"
	bench_archive "$scratch"
	bench_run "$scratch"
	bench_collect "$scratch"
}
