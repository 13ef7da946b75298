# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154 # variables of lib.sh and `all`
# The stress of memory management: each scheme of gup_fast with each flush it goes with, the
# exit strategies in turn. Sourced by `all`.

# In counting mode a thousand operations take a minute; LONG=1 is for `make test-all`.
rounds=${LONG:+200}
rounds=${rounds:-40}

mm_run() { # FLUSH WORDS
	run_guest "$where: mm, $1, $2" 4 "$1" "suite=mm backend=$1 rounds=$rounds $2"
}

mm_matrix() {
	mm_run none "only=translations"
	mm_run hyperv "gup=seq teardown=batch only=translations,storm quarantine=64"
	mm_run hyperflush "gup=seq teardown=detach"
	mm_run ipi "gup=seq teardown=fullmm only=storm"
	mm_run kvm "gup=seq teardown=cr3ref only=translations,storm"
	mm_run hyperflush "gup=counter teardown=cr3ref only=trade,storm"
	mm_run hyperv "gup=rcu teardown=fullmm only=trade"
	mm_run ipi "gup=irqoff only=trade"
	# Refused; forced, the use after free must be found.
	mm_run kvm "gup=irqoff"
	mm_run hyperv "gup=irqoff"
	mm_run hyperflush "gup=irqoff unsafe-gup-irqoff only=trade"
	mm_run hyperv "gup=irqoff unsafe-gup-irqoff only=trade"
}
