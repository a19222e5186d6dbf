#!/bin/bash
# ivf.sh - queries per second of the inverted file beside FAISS IVF, building left out and counted in, at equal recall.
# A bank of 200,000 x 128 in 500 clusters, 10,000 queries, k = 32, as many lists on both sides: 4 times the root of the rows,
# and 512, which are built sooner.  FAISS has the fewest probes that reach the recall, and its faster number of BLAS threads.
. "$(dirname "$0")/measure.bash"
/usr/bin/python3 -c 'import faiss' 2>/dev/null || { echo 'skipped: no faiss here'; exit 0; }
bench=${BUILD:-build}/tests/bench/bench_ivf
[ -x "$bench" ] || make -s --no-print-directory "$bench"
bench=$(realpath "$bench")
cd "$work" || exit

/usr/bin/python3 -c 'import numpy as n
r = n.random.default_rng(1)
c = r.standard_normal((500, 128))
for name, rows in ("base", 200000), ("query", 10000):
    x = c[r.integers(500, size=rows)] + 0.7 * r.standard_normal((rows, 128))
    (x / n.linalg.norm(x, axis=1, keepdims=True)).astype("f4").tofile(name)'

# theirs.py LISTS THREADS: for each recall a line "recall build search probes reached".
cat >theirs.py <<'END'
import sys, time, faiss, numpy as n
base, query = (n.fromfile(name, "f4").reshape(-1, 128) for name in ("base", "query"))
lists, threads = map(int, sys.argv[1:])
faiss.omp_set_num_threads(threads)
flat = faiss.IndexFlatIP(128)
flat.add(base)
exact = flat.search(query[:1000], 32)[1]
start = time.perf_counter()
ivf = faiss.index_factory(128, f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT)
ivf.train(base)
ivf.add(base)
build = time.perf_counter() - start
wanted = [0.95, 0.99]
for ivf.nprobe in range(1, lists + 1):
    start = time.perf_counter()
    got = ivf.search(query, 32)[1]
    search = time.perf_counter() - start
    recall = n.mean([len(n.intersect1d(a, b)) / 32 for a, b in zip(exact, got)])
    while wanted and recall >= wanted[0]:
        print(wanted.pop(0), build, search, ivf.nprobe, recall)
    if not wanted:
        break
END

# one_round LISTS THREADS: adds a number a line to files named by what was measured.
one_round() {
	local blas recall build calibrate search probes reached faster=

	for recall in 0.95 0.99; do
		read -r build calibrate search probes reached _ < <("$bench" base query 128 32 "$1" $recall "$2")
		record "$1.$2.$recall.ours" "$build" "$search" "$probes" "$reached"
		echo "$calibrate" >>"$1.$2.$recall.calibrate"
	done
	for ((blas = 1; blas <= $2; blas++)); do
		OPENBLAS_NUM_THREADS=$blas /usr/bin/python3 theirs.py "$1" "$2" >"blas$blas"
		if [ -z "$faster" ] || awk 'NR == 1 { a = $2 } END { exit !($2 < a) }' "$faster" "blas$blas"; then
			faster=blas$blas
		fi
	done
	while read -r recall build search probes reached; do
		record "$1.$2.$recall.theirs" "$build" "$search" "$probes" "$reached"
	done <$faster
}

# record NAME BUILD SEARCH PROBES RECALL
record() {
	awk -v s="$3" 'BEGIN { print 10000 / s }' >>"$1.search"
	awk -v b="$2" -v s="$3" 'BEGIN { print 10000 / (b + s) }' >>"$1.all"
	echo "$2" >>"$1.build"
	echo "$4 probes, recall $5" >"$1.how"
}

for lists in 1788 512; do
	for threads in 1 2; do
		for _ in $(seq "$rounds"); do one_round $lists $threads; done
		for recall in 0.95 0.99; do
			at=$lists.$threads.$recall
			what="$lists lists, recall $recall, threads $threads"
			compare "$what, search" "$at.ours.search" "$at.theirs.search" queries/s FAISS
			compare "$what, build and search" "$at.ours.all" "$at.theirs.all" queries/s FAISS
			echo "	built in $(median "$at.ours.build") s, FAISS $(median "$at.theirs.build") s; $(<"$at.ours.how"), FAISS $(<"$at.theirs.how");" \
				"calibrated in $(median "$at.calibrate") s"
		done
	done
done
