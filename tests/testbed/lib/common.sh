# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with kvm-run
# Messages, the cache and its lock. Sourced by the scripts of this directory.

readonly EXIT_TIMEOUT=124
readonly EXIT_BENCH=125

testbed_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${HF_CACHE:-$(cd "$testbed_dir/../.." && pwd)/build/testbed}

note() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
	note "$@"
	exit "$EXIT_BENCH"
}

# cached NAME BUILDER ARGS...: sets $entry to the cache directory NAME. When it is missing, BUILDER is called
# as BUILDER DIR ARGS... under the cache's lock to fill DIR, which is renamed into place only when complete:
# an entry that exists is whole, and readers take no lock.
cached() {
	local name=$1 builder=$2 lock work=$cache/new
	shift 2
	entry=$cache/$name
	[ -e "$entry" ] && return
	mkdir -p "$cache" || die "cannot write the cache $cache"
	exec {lock}>"$cache/lock" || die "cannot write the cache $cache"
	flock "$lock"
	if [ ! -e "$entry" ]; then
		# Whoever left one behind no longer holds the lock.
		rm -rf "$work"
		mkdir "$work" || die "cannot write the cache $cache"
		# A subshell: whatever ends the builder, the half-made directory goes.
		("$builder" "$work" "$@" && mv -T "$work" "$entry") || {
			rm -rf "$work"
			exit "$EXIT_BENCH"
		}
	fi
	exec {lock}>&-
}
