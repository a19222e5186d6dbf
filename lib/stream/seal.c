/* seal - digests and signatures, by libsodium. */
#include "stream/seal.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

int
cn_seal_prepare(struct cn_err *err)
{
	if (sodium_init() < 0)
		return cn_err_set(err, CN_FAILED, "libsodium cannot start on this machine");
	return 0;
}

void
cn_seal_begin(struct cn_seal *seal, const char *tag)
{
	crypto_generichash_init(&seal->state, NULL, 0, CN_SEAL_BYTES);
	cn_seal_add(seal, "CNS1", 4);
	cn_seal_add(seal, tag, 4);
}

void
cn_seal_add(struct cn_seal *seal, const void *bytes, size_t n)
{
	if (n > 0)
		crypto_generichash_update(&seal->state, bytes, n);
}

void
cn_seal_end(struct cn_seal *seal, unsigned char digest[CN_SEAL_BYTES])
{
	crypto_generichash_final(&seal->state, digest, CN_SEAL_BYTES);
}

void
cn_seal_hash(const char *tag, const void *bytes, size_t n, unsigned char digest[CN_SEAL_BYTES])
{
	struct cn_seal seal;

	cn_seal_begin(&seal, tag);
	cn_seal_add(&seal, bytes, n);
	cn_seal_end(&seal, digest);
}

/* root = H(tag, root | bytes) */
static void
chain(const char *tag, unsigned char *root, const void *bytes, size_t n)
{
	struct cn_seal seal;

	cn_seal_begin(&seal, tag);
	cn_seal_add(&seal, root, CN_SEAL_BYTES);
	cn_seal_add(&seal, bytes, n);
	cn_seal_end(&seal, root);
}

void
cn_roots_start(struct cn_roots *roots, const void *schema, size_t size, const unsigned char *head_digest)
{
	cn_seal_hash("data", schema, size, roots->data);
	cn_seal_hash("strm", head_digest, CN_SEAL_BYTES, roots->stream);
}

void
cn_roots_chunk(struct cn_roots *roots, const unsigned char *digest)
{
	chain("data", roots->data, digest, CN_SEAL_BYTES);
	chain("strm", roots->stream, digest, CN_SEAL_BYTES);
}

void
cn_roots_control(struct cn_roots *roots, const void *payload, size_t size)
{
	chain("strm", roots->stream, payload, size);
}

/*
 * The second line of a minisign file, decoded; its length, or 0.  (First line: a comment for people.)
 */
static size_t
read_key(const char *path, unsigned char *bytes, size_t size, struct cn_err *err)
{
	char line[1024];
	size_t n = 0;
	FILE *file = fopen(path, "re");

	if (!file) {
		cn_err_errno(err, "cannot open key '%s'", path);
		return 0;
	}
	const bool two = fgets(line, sizeof(line), file) && strncmp(line, "untrusted comment:", 18) == 0
		&& fgets(line, sizeof(line), file);
	fclose(file);
	if (two && sodium_base642bin(bytes, size, line, strlen(line), "\r\n \t", &n, NULL,
			sodium_base64_VARIANT_ORIGINAL) != 0)
		n = 0;
	sodium_memzero(line, sizeof(line));
	return n;
}

/* "Ed" | key id[8] | key[32] */
int
cn_seal_read_public(const char *path, struct cn_public_key *key, struct cn_err *err)
{
	unsigned char bytes[64];
	const size_t n = read_key(path, bytes, sizeof(bytes), err);

	if (n != 42 || memcmp(bytes, "Ed", 2) != 0)
		return cn_err_set(err, CN_FAILED, "'%s' is not a minisign public key (minisign -G makes a pair)", path);
	memcpy(key->id, bytes + 2, 8);
	memcpy(key->key, bytes + 10, 32);
	return 0;
}

/*
 * "Ed" | kdf[2] | "B2" | salt[32] | opslimit[8] | memlimit[8] | id[8] | key[64] | checksum[32]; with a
 * password the last three are masked and kdf is "Sc".  checksum = BLAKE2b-256("Ed" | id | key).
 */
static int
parse_secret(const unsigned char *bytes, size_t n, struct cn_secret_key *key)
{
	static const unsigned char open_kdf[2] = { 0, 0 };
	unsigned char checksum[32];
	crypto_generichash_state state;

	if (n != 158 || memcmp(bytes, "Ed", 2) != 0 || memcmp(bytes + 4, "B2", 2) != 0)
		return -1;
	if (memcmp(bytes + 2, open_kdf, 2) != 0)
		return 1;
	crypto_generichash_init(&state, NULL, 0, sizeof(checksum));
	crypto_generichash_update(&state, bytes, 2);
	crypto_generichash_update(&state, bytes + 54, 72);
	crypto_generichash_final(&state, checksum, sizeof(checksum));
	if (sodium_memcmp(checksum, bytes + 126, sizeof(checksum)) != 0)
		return -1;
	memcpy(key->id, bytes + 54, 8);
	memcpy(key->key, bytes + 62, 64);
	return 0;
}

int
cn_seal_read_secret(const char *path, struct cn_secret_key *key, struct cn_err *err)
{
	unsigned char bytes[192];
	const size_t n = read_key(path, bytes, sizeof(bytes), err);
	const int found = parse_secret(bytes, n, key);

	sodium_memzero(bytes, sizeof(bytes));
	if (found > 0)
		return cn_err_set(err, CN_FAILED, "key '%s' has a password; make one without: minisign -G -W -s %s",
			path, path);
	if (found < 0)
		return cn_err_set(err, CN_FAILED, "'%s' is not a minisign secret key (minisign -G -W makes a pair)",
			path);
	return 0;
}

static const unsigned char purpose[15] = "CNS1 signature";

static void
signed_text(unsigned char text[sizeof(purpose) + CN_SEAL_BYTES], const unsigned char *stream_root)
{
	memcpy(text, purpose, sizeof(purpose));
	memcpy(text + sizeof(purpose), stream_root, CN_SEAL_BYTES);
}

void
cn_seal_sign(const struct cn_secret_key *key, const unsigned char *stream_root, struct cn_signature *signature)
{
	unsigned char text[sizeof(purpose) + CN_SEAL_BYTES];

	signed_text(text, stream_root);
	memcpy(signature->id, key->id, sizeof(signature->id));
	crypto_sign_ed25519_sk_to_pk(signature->key, key->key);
	crypto_sign_detached(signature->bytes, NULL, text, sizeof(text), key->key);
}

bool
cn_seal_verify(const struct cn_signature *signature, const unsigned char *stream_root)
{
	unsigned char text[sizeof(purpose) + CN_SEAL_BYTES];

	signed_text(text, stream_root);
	return crypto_sign_verify_detached(signature->bytes, text, sizeof(text), signature->key) == 0;
}
