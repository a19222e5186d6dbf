# setup_suite - fixtures are made once for all command tests, and kept out of the tree.
setup_suite() {
	export CN_FIXTURES="${CN_FIXTURES:-$BATS_SUITE_TMPDIR/fixtures}"
	"$(dirname "${BASH_SOURCE[0]}")/fixtures.sh" || return 1
}
