/*
 * snapshot - an encoder on its way from the training that publishes it to the programs that follow it.
 *
 * A snapshot is the file of a model (nn/model.h) that also says, as text,
 *	cn.snapshot	its number; 0 has the weights before the first step
 *	cn.rows		rows of its input that the training had used by then: number times every
 *	cn.every	rows between one snapshot and the next
 * Before them comes an announcement: a file of no tensors that says cn.arch, cn.head and cn.every, by which a follower
 * can make the network, and say how wide its vectors are, before the training has seen a row.
 *
 * In a pipe each of these files stands behind a head of 48 bytes:
 *	"\x89CNW" + 0D 0A 1A 0A | u64 L, little-endian | H("SNAP", file) (stream/seal.h) | file of L bytes
 * and a head with an L of 0 is the end mark.  Without it the training has failed or was killed.
 *
 * In files, PATH is the announcement, locked (flock) while the training lives, and PATH.0, PATH.1 ... are the
 * snapshots.  At the end PATH is replaced by one that also says cn.snapshots, how many there are.  PATH.N+1 is
 * removed before PATH.N appears, so what an earlier training left is never taken for a snapshot of this one.
 */
#ifndef CN_NN_SNAPSHOT_H
#define CN_NN_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/meta.h"

#define CN_SNAPSHOT_HEAD 48
#define CN_SNAPSHOT_PATH 4200	/* bytes for the name of a file */

struct cn_snapshot {
	uint64_t number, every;
};

/* What a snapshot says beside the model's own keys, into to, which is empty. */
int cn_snapshot_describe(const struct cn_snapshot *snapshot, struct cn_meta *to, struct cn_err *err);

/* A number of the metadata, as cn.snapshot; 0 or -1 where it is missing or none, which name says so. */
int cn_snapshot_number(const struct cn_meta *meta, const char *key, const char *name, uint64_t *number, struct cn_err *err);

/* Where snapshot number is, of those published as base: "base.number".  Returns path. */
const char *cn_snapshot_path(char path[CN_SNAPSHOT_PATH], const char *base, uint64_t number);

/* The head of a file; size 0 makes the end mark. */
void cn_snapshot_put_head(const void *file, size_t size, unsigned char head[CN_SNAPSHOT_HEAD]);

/* Length of the file that a head announces; refuses what is none, or more than a pipe may hold.  0 or -1. */
int cn_snapshot_length(const unsigned char head[CN_SNAPSHOT_HEAD], const char *name, size_t *size, struct cn_err *err);

/* Refuses a file (or an end mark) that is not what its head was made for. */
int cn_snapshot_verify(const unsigned char head[CN_SNAPSHOT_HEAD], const void *file, size_t size, const char *name, struct cn_err *err);

#endif
