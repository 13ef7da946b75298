# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # variables of lib.sh and `all`
# The stress of memory management: each scheme of gup_fast with each flush that it goes with,
# the exit strategies in turn. Sourced by `all`; takes long.

mm_run() { # FLUSH ROUNDS WORDS
	run_guest "$where: mm, $1, $3" 4 "$1" "suite=mm backend=$1 rounds=$2 $3"
}

# Linux 6.2 and later with shadow paging loses Hyper-V flushes (docs/limits.md): a storm
# would write through what is left of them.
mm_hyperv_storm() { # ROUNDS WORDS
	if [ "${HF_NPT:-1}" = 0 ] && [ "${HF_KERNEL:-}" != 6.1 ]; then
		skip_run "$where: mm, hyperv, $2" "KVM loses Hyper-V flushes here"
	else
		mm_run hyperv "$1" "$2"
	fi
}

mm_matrix() {
	mm_run none 40 "only=translations"
	mm_run hyperflush 40 "gup=seq only=interrupts,trade,controls"
	mm_hyperv_storm 100 "gup=seq teardown=batch only=translations,storm quarantine=64"
	mm_run hyperflush 100 "gup=seq teardown=detach only=translations,storm seed=2"
	mm_run ipi 100 "gup=seq teardown=fullmm only=storm seed=3"
	mm_run kvm 100 "gup=seq teardown=cr3ref only=translations,storm seed=4"
	mm_run hyperflush 80 "gup=counter only=trade"
	mm_run hyperflush 100 "gup=counter teardown=fullmm only=storm seed=5"
	mm_run hyperv 80 "gup=rcu only=trade"
	mm_hyperv_storm 100 "gup=rcu teardown=cr3ref only=storm seed=6"
	mm_run ipi 30 "gup=irqoff only=trade"
	mm_run ipi 100 "gup=irqoff teardown=batch only=storm seed=7"
	# Refused; where it is forced, the use after free must be found.
	for b in kvm hyperv hyperflush; do
		mm_run $b 1 "gup=irqoff"
		mm_run $b 40 "gup=irqoff unsafe-gup-irqoff only=trade"
	done
}
