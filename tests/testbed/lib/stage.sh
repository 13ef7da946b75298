# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with kvm-run
# The tree of files a command sees: what kvm-run was given, at the same relative or absolute paths.

# stage_path ROOT PATH: prints where PATH of the guest lies under ROOT; relative ones are in its work directory.
stage_path() {
	case $2 in
	/*) realpath -ms -- "$1$2" ;;
	*) realpath -ms -- "$1$workdir/$2" ;;
	esac
}

# stage_file ROOT SOURCE DESTINATION: copies a file or directory of the host into the tree. A command that runs
# on the host finds absolute paths in their own place.
stage_file() {
	local to
	[ -e "$2" ] || die "no such file: $2"
	if [ -n "$where" ] && [[ $3 = /* ]]; then
		[ "$2" -ef "$3" ] || die "on the host's KVM $2 cannot be put at $3"
		return
	fi
	to=$(stage_path "$1" "$3")
	case $to in
	"$1"/*) ;;
	*) die "outside the guest's file system: $3" ;;
	esac
	mkdir -p "$(dirname "$to")"
	# Links are followed: what they point to need not be in the tree.
	cp -RLT -- "$2" "$to" || die "cannot pack $2"
}

# stage_libraries ROOT: adds the shared libraries of the tree's programs at the host's paths.
stage_libraries() {
	local program library missing
	while IFS= read -r -d '' program; do
		# Scripts and static programs have none; ldd tells by its status.
		ldd "$program" >"$1.ldd" 2>/dev/null || continue
		missing=$(sed -n 's/^\t\(.*\) => not found.*/\1/p' "$1.ldd")
		[ -z "$missing" ] || die "${program##*/} needs the library $missing"
		while read -r library; do
			[ -e "$1$library" ] || stage_file "$1" "$library" "$library"
		done < <(sed -n 's/^[^/]*\(\/[^ ]*\) (0x.*/\1/p' "$1.ldd")
	done < <(find "$1" -type f -perm -u+x -print0)
	rm -f "$1.ldd"
}

# stage_archive ROOT: writes the tree as a cpio archive whose bytes depend on names, modes and contents only.
stage_archive() {
	chmod -R u=rwX,go=rX "$1"
	find "$1" -exec touch -h -d @0 {} +
	(cd "$1" && find . -print0 | LC_ALL=C sort -z |
		cpio --null --create --format=newc --owner=0:0 --reproducible --quiet)
}
