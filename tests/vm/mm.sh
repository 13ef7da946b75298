# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # variables of lib.sh and `all`
# The stress of memory management: each scheme of gup_fast with each flush that it goes with,
# the exit strategies in turn. Sourced by `all`.

# Linux 6.2 and later with shadow paging loses Hyper-V flushes (docs/limits.md): the guest
# would write through what is left of them.
loses_flushes() { # FLUSH
	case $1 in
	hyperv | lowered) [ "${HF_NPT:-1}" = 0 ] && [ "${HF_KERNEL:-}" != 6.1 ] ;;
	*) false ;;
	esac
}

mm_run() { # FLUSH ROUNDS WORDS
	if loses_flushes "$1"; then
		skip_run "$where: mm, $1, $3" "KVM loses Hyper-V flushes here"
	else
		run_guest "$where: mm, $1, $3" 4 "$1" "suite=mm backend=$1 rounds=$2 $3"
	fi
}

# Refused; where it is forced, the use after free must be found: with walks held up by hooks,
# and with vCPUs that only the host stops.
mm_irqoff() {
	for b in kvm hyperv hyperflush; do
		mm_run $b 1 "gup=irqoff"
		mm_run $b 40 "gup=irqoff unsafe-gup-irqoff only=trade,stops"
	done
}

# The quarantine must end this run.
mm_canary() {
	expect "mm: a walk of a freed table is a panic" 4 panic run --cpus 2 --flush ipi \
		--append "suite=mm backend=ipi quarantine=8 canary only=nothing" "$KERNEL"
	grep -q 'PANIC .*: quarantine: entry' "$log" || fail_run "$where: mm, canary" "another panic"
}

# On a CPU that has them: software emulation has not.
mm_pcids() {
	if ! grep -qw pcid /proc/cpuinfo; then
		skip_run "$where: mm-boot and mm, pcid=1" "this CPU has no PCIDs"
		return
	fi
	run_guest "$where: mm-boot, ipi, pcid=1" 4 ipi "suite=mm-boot backend=ipi pcid=1"
	grep -q '^tlb: PCIDs are used' "$log" || fail_run "$where: mm-boot, ipi, pcid=1" "no PCIDs"
	mm_run ipi 100 "pcid=1 gup=seq teardown=cr3ref only=translations,storm seed=7"
	mm_run kvm 100 "pcid=1 gup=seq teardown=fullmm only=translations,storm seed=8"
	mm_run hyperv 100 "pcid=1 gup=seq teardown=batch only=translations,storm seed=9"
	mm_run hyperflush 100 "pcid=1 gup=seq munmap=posted teardown=detach only=translations,storm seed=10"
}

mm_matrix() {
	mm_run none 40 "only=translations"
	mm_run hyperflush 40 "gup=seq only=interrupts,trade,controls,stops,lazy"
	mm_run kvm 40 "gup=seq only=stops,lazy"
	mm_run hyperflush 80 "gup=counter only=trade,stops"
	mm_run kvm 80 "gup=rcu only=trade,stops"
	mm_run ipi 20 "gup=irqoff only=trade"
	mm_run hyperv 100 "gup=seq teardown=batch only=translations,storm quarantine=64"
	mm_run hyperflush 100 "gup=seq teardown=detach only=translations,storm seed=2"
	mm_run hyperflush 80 "gup=seq munmap=posted teardown=fullmm only=storm seed=5"
	mm_run ipi 100 "gup=seq teardown=fullmm only=storm seed=3"
	mm_run kvm 100 "gup=seq teardown=cr3ref only=translations,storm seed=4 quarantine=64"
	mm_pcids
	mm_irqoff
	mm_canary
}

mm_long() {
	for b in ipi kvm hyperv xen hyperflush lowered; do
		mm_run $b 40 "gup=seq only=trade,stops,lazy seed=11"
		for t in batch fullmm cr3ref detach; do
			mm_run $b 200 "gup=seq teardown=$t only=translations,storm seed=12"
		done
	done
	mm_run hyperflush 300 "gup=counter teardown=fullmm only=storm seed=5"
	mm_run lowered 300 "gup=rcu munmap=posted teardown=batch only=storm seed=9"
	mm_run kvm 300 "gup=counter-xchg teardown=batch only=trade,storm seed=6"
	mm_run hyperv 300 "gup=rcu teardown=cr3ref only=storm seed=7"
	mm_run ipi 100 "gup=irqoff teardown=batch only=trade,storm seed=8"
}
