#!/bin/bash
# mine.sh - queries per second of cn-mine's exact search beside FAISS (flat, its best numbers of threads), of equal neighbours.
# A bank of 100,000 x 128, 10,000 queries, k = 32.  Then the search alone, in memory, as FAISS is timed, and the products it is made of.
. "$(dirname "$0")/measure.bash"
peers=$(beside peers) || { echo "$peers"; exit 0; }
/usr/bin/python3 -c 'import faiss' 2>/dev/null || { echo 'skipped: no faiss here'; exit 0; }
make -s benches
bench=$(cd "${BUILD:-build}" && pwd)/tests/bench/bench_topk
cd "$work" || exit

/usr/bin/python3 -c 'import numpy as n
r = n.random.default_rng(1)
c = r.standard_normal((500, 128))
for name, rows in ("base", 100000), ("query", 10000):
    x = c[r.integers(500, size=rows)] + 0.7 * r.standard_normal((rows, 128))
    n.save(name + ".npy", (x / n.linalg.norm(x, axis=1, keepdims=True)).astype("f4"))'
cn-import npy --field z base.npy -o base.cns
cn-import npy --field z --id-base 1000000 query.npy -o query.cns
for _ in $(seq "$rounds"); do
	seconds 'cn-mine --k 32 --bank base.cns query.cns -o mined.cns' | awk '{ print 10000 / $1 }' >>ours
	"$bench" fastest "$(nproc)" | awk '{ print 10000 / $1 }' >>alone
	"$bench" blas "$(nproc)" | awk '{ print 10000 / $1 }' >>floats
	"$bench" integers "$(nproc)" | awk '{ print $3 }' >>integers
	"$bench" sgemm "$(nproc)" | awk '{ print $3 }' >>sgemm
	for blas in 1 "$(nproc)"; do		# FAISS leaves the products to BLAS, whose threads may be better than its own
		OPENBLAS_NUM_THREADS=$blas /usr/bin/python3 "$peers/faiss_topk.py" base.npy query.npy 32 512
	done | awk '$1 == "flat" && $3 > best { best = $3 } END { print best }' >>theirs
done
compare 'exact search, 10,000 queries, reading and writing included' ours theirs queries/s FAISS
compare 'exact search alone' alone theirs queries/s FAISS
compare 'exact search alone, first pass by BLAS' floats theirs queries/s FAISS
compare 'products of the first pass' integers sgemm GOP/s sgemm
awk -v queries="$(median alone)" -v peak="$(median sgemm)" 'BEGIN {
	printf "a search does the work of %.0f GFLOP/s; sgemm alone %.0f GFLOP/s\n", queries * 2 * 128 * 1e5 / 1e9, peak }'
cn-export npy --field neg_id mined.cns -o ids.npy
/usr/bin/python3 -c 'import faiss, numpy as n
index = faiss.IndexFlatIP(128)
index.add(n.load("base.npy"))
ids = index.search(n.load("query.npy")[:1000], 32)[1]
mined = n.load("ids.npy")[:1000]
print("of the first 1,000 queries %.2f %% have the same neighbours" % (100 * n.mean([set(a) == set(b) for a, b in zip(ids, mined)])))'
