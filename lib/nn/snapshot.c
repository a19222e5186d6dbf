/* snapshot - what is written before and into a model that is published. */
#include "nn/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/seal.h"
#include "stream/wire.h"

#include "base/banned.h"

#define MAGIC "\x89" "CNW\r\n\x1a\n"
#define LENGTH_LIMIT ((uint64_t)1 << 30)	/* as much as a model in a pipe may have */

enum { AT_LENGTH = 8, AT_DIGEST = 16 };

int
cn_snapshot_describe(const struct cn_snapshot *snapshot, struct cn_meta *to, struct cn_err *err)
{
	cn_meta_format(to, "cn.snapshot", "%llu", err, (unsigned long long)snapshot->number);
	cn_meta_format(to, "cn.rows", "%llu", err, (unsigned long long)(snapshot->number * snapshot->every));
	return cn_meta_format(to, "cn.every", "%llu", err, (unsigned long long)snapshot->every);
}

int
cn_snapshot_number(const struct cn_meta *meta, const char *key, const char *name, uint64_t *number, struct cn_err *err)
{
	const char *text = cn_meta_get(meta, key);

	if (!text || !*text || strspn(text, "0123456789") != strlen(text) || strlen(text) > 18)
		return cn_err_set(err, CN_FAILED, "%s: nothing that cn-train published: no %s in its metadata", name, key);
	*number = strtoull(text, NULL, 10);
	return 0;
}

const char *
cn_snapshot_path(char path[CN_SNAPSHOT_PATH], const char *base, uint64_t number)
{
	snprintf(path, CN_SNAPSHOT_PATH, "%s.%llu", base, (unsigned long long)number);
	return path;
}

void
cn_snapshot_put_head(const void *file, size_t size, unsigned char head[CN_SNAPSHOT_HEAD])
{
	memcpy(head, MAGIC, AT_LENGTH);
	cn_wire_store64(head + AT_LENGTH, size);
	cn_seal_hash("SNAP", file, size, head + AT_DIGEST);
}

int
cn_snapshot_length(const unsigned char head[CN_SNAPSHOT_HEAD], const char *name, size_t *size, struct cn_err *err)
{
	const uint64_t length = cn_wire_load64(head + AT_LENGTH);

	if (memcmp(head, MAGIC, AT_LENGTH) != 0)
		return cn_err_set(err, CN_FAILED, "%s: not what cn-train --publish writes into a pipe; one pipe is for one follower", name);
	if (length > LENGTH_LIMIT)
		return cn_err_set(err, CN_FAILED, "%s: a model of %llu bytes is too large for a pipe; publish to a file", name,
			(unsigned long long)length);
	*size = (size_t)length;
	return 0;
}

int
cn_snapshot_verify(const unsigned char head[CN_SNAPSHOT_HEAD], const void *file, size_t size, const char *name, struct cn_err *err)
{
	unsigned char digest[CN_SEAL_BYTES];

	cn_seal_hash("SNAP", file, size, digest);
	if (memcmp(digest, head + AT_DIGEST, sizeof digest) == 0)
		return 0;
	return cn_err_set(err, CN_INTEGRITY, "%s: the digest of a snapshot does not match", name);
}
