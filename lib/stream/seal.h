/*
 * seal - digests and signatures: what makes a changed byte visible.
 *
 * H(tag, x) = BLAKE2b-256("CNS1" | tag | x).  Two roots chain them: data_root over schema and chunks
 * ("same data?"), stream_root over everything a stream says ("same stream, same story?").  A signature
 * is Ed25519 over "CNS1 signature\0" | stream_root; keys are minisign's files.
 */
#ifndef CN_STREAM_SEAL_H
#define CN_STREAM_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sodium.h>

#include "base/err.h"

#define CN_SEAL_BYTES 32

/* A digest in the making: begin with a tag of four letters, add, end. */
struct cn_seal {
	crypto_generichash_state state;
};

int cn_seal_prepare(struct cn_err *err);	/* once before anything else here: picks the fastest code */
void cn_seal_begin(struct cn_seal *seal, const char *tag);
void cn_seal_add(struct cn_seal *seal, const void *bytes, size_t n);
void cn_seal_end(struct cn_seal *seal, unsigned char digest[CN_SEAL_BYTES]);

/* digest = H(tag, bytes) */
void cn_seal_hash(const char *tag, const void *bytes, size_t n, unsigned char digest[CN_SEAL_BYTES]);

/* The roots as they grow, by reader and writer alike. */
struct cn_roots {
	unsigned char data[CN_SEAL_BYTES], stream[CN_SEAL_BYTES];
};

void cn_roots_start(struct cn_roots *roots, const void *schema, size_t size, const unsigned char *head_digest);
void cn_roots_chunk(struct cn_roots *roots, const unsigned char *digest);
void cn_roots_control(struct cn_roots *roots, const void *payload, size_t size);	/* another frame, or the hashed part of TAIL */

/* Keys and signatures as they stand in TAIL and in minisign's files. */
struct cn_public_key {
	unsigned char id[8], key[32];
};

struct cn_secret_key {
	unsigned char id[8], key[64];
};

struct cn_signature {
	unsigned char id[8], key[32], bytes[64];
};

int cn_seal_read_public(const char *path, struct cn_public_key *key, struct cn_err *err);

/* Keys protected by a password are refused with the command that takes it off. */
int cn_seal_read_secret(const char *path, struct cn_secret_key *key, struct cn_err *err);

void cn_seal_sign(const struct cn_secret_key *key, const unsigned char *stream_root, struct cn_signature *signature);
bool cn_seal_verify(const struct cn_signature *signature, const unsigned char *stream_root);

#endif
