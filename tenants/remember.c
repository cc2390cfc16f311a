/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/remember.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "common/buf.h"
#include "common/file.h"
#include "common/log.h"

#define KEY_SIZE 32
#define KEY_AGE_MAX (30 * 86400)
#define WAYS 8
#define SETS 32768 /* 262,144 digests: 8 MB of file */

static const char magic[8] = "HKREM\0\0\1";

struct table {
	char magic[8];
	uint64_t created; /* seconds since the epoch */
	unsigned char digest[SETS][WAYS][REMEMBER_DIGEST];
};

struct remember {
	unsigned char key[KEY_SIZE];
	pthread_mutex_t lock; /* guards the digests */
	struct table *table;
};

/* ---- files
 * ---------------------------------------------------------------------- */

static bool
table_is_ours(int fd, uint64_t now)
{
	struct stat st;
	char head[sizeof(magic)];
	uint64_t created;

	return fstat(fd, &st) == 0 && st.st_size == sizeof(struct table) &&
	       pread(fd, head, sizeof(head), 0) == sizeof(head) &&
	       memcmp(head, magic, sizeof(magic)) == 0 &&
	       pread(fd, &created, sizeof(created), sizeof(head)) ==
		   sizeof(created) &&
	       /* One from the future is as good: a clock that is wrong for a
		* while after a power cut must not make everybody's hash due. */
	       (created > now || now - created < KEY_AGE_MAX);
}

static int
key_read(int dirfd, unsigned char *key)
{
	CLEANUP(fd_close)
	int fd = openat(dirfd, "remembered.key", O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1 || st.st_size != KEY_SIZE ||
	    (st.st_mode & 077) != 0)
		return -1;
	return read(fd, key, KEY_SIZE) == KEY_SIZE ? 0 : -1;
}

/* A fresh key and an empty set; the key is on disk before the set is used. */
static int
table_create(
    int dirfd, struct remember *r, uint64_t now, int *fd_out, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;

	if (file_replace(dirfd, "remembered.key",
		span_of((const char *)r->key, KEY_SIZE), 0600, err) == -1)
		return -1;
	(void)unlinkat(dirfd, "remembered", 0);
	fd = openat(
	    dirfd, "remembered", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	/* All blocks now: a full disk must not become a SIGBUS later. */
	if (fd == -1 ||
	    (errno = posix_fallocate(fd, 0, sizeof(struct table))) != 0 ||
	    pwrite(fd, magic, sizeof(magic), 0) != sizeof(magic) ||
	    pwrite(fd, &now, sizeof(now), sizeof(magic)) != sizeof(now))
		return err_sys(err, "create remembered");
	*fd_out = fd_steal(&fd);
	return 0;
}

static int
table_map(const char *directory, struct remember *r, struct err *err)
{
	CLEANUP(fd_close)
	int dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(fd_close) int fd = -1;
	uint64_t now = (uint64_t)time(NULL);
	void *map;

	if (dirfd == -1)
		return err_sys(err, "open %s", directory);
	fd = openat(dirfd, "remembered", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1 || !table_is_ours(fd, now) ||
	    key_read(dirfd, r->key) == -1) {
		fd_close(fd);
		fd = -1;
		if (table_create(dirfd, r, now, &fd, err) == -1)
			return -1;
	}
	map = mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return err_sys(err, "map remembered");
	r->table = map;
	return 0;
}

int
remember_new(
    const char *directory, struct remember **remember_out, struct err *err)
{
	struct remember *r = calloc(1, sizeof(*r));
	struct err why = ERR_INIT;
	void *map;

	if (r == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	if (RAND_bytes(r->key, sizeof(r->key)) != 1) {
		free(r);
		return err_set(err, ERR_TEMP, "no random octets");
	}
	if (table_map(directory, r, &why) == -1) {
		log_warning(&log_process,
		    "passwords are remembered in memory only", log_err(&why));
		map = mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (map == MAP_FAILED) {
			free(r);
			return err_sys(err, "map");
		}
		r->table = map;
	}
	(void)pthread_mutex_init(&r->lock, NULL);
	*remember_out = r;
	return 0;
}

void
remember_free(struct remember *r)
{
	if (r == NULL)
		return;
	(void)munmap(r->table, sizeof(*r->table));
	OPENSSL_cleanse(r->key, sizeof(r->key));
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
}

/* ---- digests
 * -------------------------------------------------------------------------- */

static int
hmac(const struct remember *r, const struct buf *text, unsigned char *out,
    struct err *err)
{
	unsigned len = 0;

	if (buf_check(text, err) == -1)
		return -1;
	if (HMAC(EVP_sha256(), r->key, KEY_SIZE,
		(const unsigned char *)buf_str(text), text->len, out,
		&len) == NULL ||
	    len != REMEMBER_DIGEST)
		return err_set(err, ERR_TEMP, "HMAC failed");
	return 0;
}

int
remember_digest(const struct remember *r, struct span account_id,
    struct span stored, struct span password,
    unsigned char digest_out[REMEMBER_DIGEST], struct err *err)
{
	CLEANUP(buf_fini) struct buf text;
	int rc;

	buf_init(&text, 65536);
	buf_append(&text, account_id);
	buf_append_octet(&text, '\0');
	buf_append(&text, stored);
	buf_append_octet(&text, '\0');
	buf_append(&text, password);
	rc = hmac(r, &text, digest_out, err);
	if (text.data != NULL)
		OPENSSL_cleanse(text.data, text.len);
	return rc;
}

int
remember_derive(const struct remember *r, const char *label, struct span name,
    unsigned char out[REMEMBER_DIGEST], struct err *err)
{
	CLEANUP(buf_fini) struct buf text;

	buf_init(&text, 65536);
	buf_append_str(&text, label);
	buf_append_octet(&text, '\0');
	buf_append(&text, name);
	return hmac(r, &text, out, err);
}

/* The set a digest belongs to: its first octets are as good as random. */
static unsigned char (
    *set_of(struct remember *r, const unsigned char *digest))[REMEMBER_DIGEST]
{
	unsigned set = (unsigned)(digest[0] << 8 | digest[1]);

	return r->table->digest[set % SETS];
}

bool
remember_has(struct remember *r, const unsigned char digest[REMEMBER_DIGEST])
{
	bool found = false;

	(void)pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < WAYS; i++)
		found |= CRYPTO_memcmp(set_of(r, digest)[i], digest,
			     REMEMBER_DIGEST) == 0;
	(void)pthread_mutex_unlock(&r->lock);
	return found;
}

/* The newest stands first; the oldest of eight goes. */
void
remember_add(struct remember *r, const unsigned char digest[REMEMBER_DIGEST])
{
	unsigned char(*set)[REMEMBER_DIGEST] = set_of(r, digest);

	if (remember_has(r, digest))
		return;
	(void)pthread_mutex_lock(&r->lock);
	memmove(set[1], set[0], (WAYS - 1) * REMEMBER_DIGEST);
	memcpy(set[0], digest, REMEMBER_DIGEST);
	(void)pthread_mutex_unlock(&r->lock);
}
