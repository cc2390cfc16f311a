/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/account.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/ascii.h"
#include "common/file.h"
#include "store/inside.h"
#include "store/marker.h"
#include "store/name.h"

#define LOCK_WAIT_MS 60000

/* Capitals and "_" are for accounts alone. */
static bool
all_of(struct span s, size_t max, bool account)
{
	if (s.len == 0 || s.len > max)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c == '_' || (c >= 'A' && c <= 'Z')) {
			if (!account)
				return false;
		} else if (c != '-' &&
			   !ascii_is(c, ASCII_ALPHA | ASCII_DIGIT)) {
			return false;
		}
	}
	return true;
}

bool
store_tenant_valid(struct span tenant)
{
	return all_of(tenant, STORE_TENANT_MAX, false);
}

bool
store_account_valid(struct span account_id)
{
	return all_of(account_id, STORE_ACCOUNT_MAX, true);
}

/* The host's name with '/' and ':' as Dovecot writes them in file names. */
static void
store_hostname(char out[256])
{
	char name[64 + 1] = "localhost";
	size_t len = 0;

	(void)gethostname(name, sizeof(name) - 1);
	for (const char *p = name; *p != '\0'; p++)
		len += (size_t)snprintf(out + len, 256 - len,
		    *p == '/'   ? "\\057"
		    : *p == ':' ? "\\072"
				: "%c",
		    *p);
	out[len] = '\0';
}

int
store_new(const struct store_options *options, struct store **store_out,
    struct err *err)
{
	struct store *s = calloc(1, sizeof(*s));

	if (s == NULL || (s->path = strdup(options->path)) == NULL) {
		free(s);
		return err_set(err, ERR_TEMP, "store: out of memory");
	}
	s->fd = open(s->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->fd == -1) {
		(void)err_sys(err, "open the store %s", s->path);
		free(s->path);
		free(s);
		return -1;
	}
	s->cache_octets = options->cache_octets;
	s->listener = options->listener;
	s->modseqs = options->modseqs;
	s->lock_wait_ms =
	    options->lock_wait_ms != 0 ? options->lock_wait_ms : LOCK_WAIT_MS;
	s->pid = getpid();
	store_hostname(s->hostname);
	(void)pthread_mutex_init(&s->mutex, NULL);
	(void)watch_init(&s->watch);
	(void)pthread_mutex_init(&s->owners_mutex, NULL);
	*store_out = s;
	return 0;
}

static void account_free(struct account *a);

/* With the mutex: the longest unused folders go until the rest fits. */
static void
store_trim_cache(struct store *s, size_t octets_max)
{
	while (s->idle_first != NULL && s->idle_octets > octets_max) {
		struct folder *f = s->idle_first, **at;
		struct account *a = f->account;

		s->idle_first = f->idle_next;
		if (s->idle_first == NULL)
			s->idle_last = NULL;
		else
			s->idle_first->idle_prev = NULL;
		s->idle_octets -= f->idle_octets;
		for (at = &a->folders; *at != f; at = &(*at)->next)
			;
		*at = f->next;
		folder_free(f);
		if (a->refs == 0 && a->folders == NULL)
			account_free(a);
	}
}

void
store_free(struct store *s)
{
	if (s == NULL)
		return;
	store_trim_cache(s, 0);
	watch_fini(&s->watch);
	owners_fini(s);
	(void)pthread_mutex_destroy(&s->mutex);
	fd_close(s->fd);
	free(s->path);
	free(s);
}

/* ---- opening an account ---- */

static int
account_path(
    struct span tenant, struct span account_id, char out[160], struct err *err)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len;

	if (EVP_Digest(account_id.p, account_id.len, digest, &len, EVP_sha256(),
		NULL) != 1)
		return err_set(err, ERR_TEMP, "SHA-256 failed");
	(void)snprintf(out, 160, "%.*s/%02x/%.*s/Maildir", SPAN_FMT(tenant),
	    digest[0], SPAN_FMT(account_id));
	return 0;
}

/*
 * Makes the directories of path below <store>/<tenant>, then tmp and new, and
 * cur last: whoever sees cur may acknowledge mail into new, so by then all that
 * leads there is flushed.  Also what was there already: its maker may have been
 * killed, or be at work at this moment, between making and flushing it.
 */
static int
account_make(struct store *s, const char *path, struct err *err)
{
	char steps[160], *rest = steps, *step;
	CLEANUP(fd_close) int fd = -1;

	(void)snprintf(steps, sizeof(steps), "%s", path);
	step = strsep(&rest, "/");
	fd = disk_open_directory(s->fd, step, err);
	if (fd == -1)
		return -1;
	while ((step = strsep(&rest, "/")) != NULL) {
		int down;

		if (disk_make_directory(fd, step, NULL, err) == -1)
			return -1;
		if (fsync(fd) == -1)
			return err_sys(err, "fsync above %s", step);
		down = disk_open_directory(fd, step, err);
		if (down == -1)
			return -1;
		fd_close(fd);
		fd = down;
	}
	if (disk_make_directory(fd, "tmp", NULL, err) == -1 ||
	    disk_make_directory(fd, "new", NULL, err) == -1)
		return -1;
	if (fsync(fd) == -1)
		return err_sys(err, "fsync %s", path);
	if (disk_make_directory(fd, "cur", NULL, err) == -1)
		return -1;
	return fsync(fd) == -1 ? err_sys(err, "fsync %s", path) : 0;
}

/* Nothing is made, or said to be missing, where nothing is mounted. */
static int
tenant_need(struct store *s, const char *path, struct err *err)
{
	char tenant[STORE_TENANT_MAX + 1] = "";

	(void)sscanf(path, "%63[^/]", tenant);
	return marker_need(s->fd, tenant, err);
}

static int
account_open_directory(struct store *s, const char *path,
    enum account_mode mode, int *fd_out, struct err *err)
{
	int fd = disk_open_directory(s->fd, path, err);
	struct stat st;

	if (fd == -1 && errno == ENOENT) {
		if (tenant_need(s, path, err) == -1)
			return -1;
		errno = ENOENT;
	}
	/* A Maildir without cur/ was left half made by a crash. */
	if (mode == ACCOUNT_CREATE &&
	    ((fd == -1 && errno == ENOENT) ||
		(fd != -1 &&
		    fstatat(fd, "cur", &st, AT_SYMLINK_NOFOLLOW) == -1 &&
		    errno == ENOENT))) {
		fd_close(fd);
		if (account_make(s, path, err) == -1)
			return -1;
		fd = disk_open_directory(s->fd, path, err);
	}
	if (fd == -1 && mode == ACCOUNT_EXISTING && errno == ENOENT)
		return err_set(err, ERR_POLICY, "%s: no such Maildir", path);
	if (fd == -1)
		return -1;
	*fd_out = fd;
	return 0;
}

static struct account **
account_bucket(struct store *s, const char *text)
{
	uint64_t hash = 14695981039346656037U; /* FNV-1a */

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * 1099511628211U;
	return &s->accounts[(hash ^ hash >> 32) & (ACCOUNT_BUCKETS - 1)];
}

/* With the mutex: a reference to the account if it is open already. */
static struct account *
account_find(struct store *s, const char *text)
{
	struct account *a = *account_bucket(s, text);

	while (a != NULL && strcmp(a->text, text) != 0)
		a = a->next;
	if (a != NULL)
		a->refs++;
	return a;
}

/* With the mutex. */
static void
account_free(struct account *a)
{
	struct account **at = account_bucket(a->store, a->text);

	while (*at != NULL && *at != a)
		at = &(*at)->next;
	if (*at == a)
		*at = a->next;
	fd_close(a->fd);
	free(a->text);
	free(a->path);
	free(a);
}

static struct account *
account_new(struct store *s, const char *text, const char *path, int fd)
{
	struct account *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->store = s;
	a->refs = 1;
	a->fd = -1;
	a->text = strdup(text);
	a->path = strdup(path);
	if (a->text == NULL || a->path == NULL) {
		free(a->text);
		free(a->path);
		free(a);
		return NULL;
	}
	a->fd = fd;
	return a;
}

int
account_open(struct store *s, struct span tenant, struct span account_id,
    enum account_mode mode, struct account **account_out, struct err *err)
{
	char text[STORE_TENANT_MAX + STORE_ACCOUNT_MAX + 2], path[160];
	CLEANUP(fd_close) int fd = -1;
	struct account *a;

	if (!store_tenant_valid(tenant))
		return err_set(err, ERR_SYNTAX, "no name of a tenant");
	if (!store_account_valid(account_id))
		return err_set(err, ERR_SYNTAX, "no account id");
	(void)snprintf(text, sizeof(text), "%.*s/%.*s", SPAN_FMT(tenant),
	    SPAN_FMT(account_id));
	(void)pthread_mutex_lock(&s->mutex);
	a = account_find(s, text);
	(void)pthread_mutex_unlock(&s->mutex);
	if (a != NULL) {
		*account_out = a;
		return 0;
	}
	if (account_path(tenant, account_id, path, err) == -1 ||
	    account_open_directory(s, path, mode, &fd, err) == -1)
		return -1;
	(void)pthread_mutex_lock(&s->mutex);
	a = account_find(s, text); /* somebody may have been quicker */
	if (a == NULL && (a = account_new(s, text, path, fd)) != NULL) {
		struct account **bucket = account_bucket(s, text);

		(void)fd_steal(&fd);
		a->next = *bucket;
		*bucket = a;
	}
	(void)pthread_mutex_unlock(&s->mutex);
	if (a == NULL)
		return err_set(err, ERR_TEMP, "account: out of memory");
	*account_out = a;
	return 0;
}

struct account *
account_ref(struct account *a)
{
	(void)pthread_mutex_lock(&a->store->mutex);
	a->refs++;
	(void)pthread_mutex_unlock(&a->store->mutex);
	return a;
}

void
account_unref(struct account *a)
{
	struct store *s;

	if (a == NULL)
		return;
	s = a->store;
	(void)pthread_mutex_lock(&s->mutex);
	if (--a->refs == 0 && a->folders == NULL)
		account_free(a);
	(void)pthread_mutex_unlock(&s->mutex);
}

const char *
account_text(const struct account *a)
{
	return a->text;
}

/* ---- folders ---- */

/* With the mutex. */
static void
folder_leave_idle(struct store *s, struct folder *f)
{
	if (!f->idle)
		return;
	if (f->idle_prev == NULL)
		s->idle_first = f->idle_next;
	else
		f->idle_prev->idle_next = f->idle_next;
	if (f->idle_next == NULL)
		s->idle_last = f->idle_prev;
	else
		f->idle_next->idle_prev = f->idle_prev;
	s->idle_octets -= f->idle_octets;
	f->idle = false;
}

/* With the mutex. */
static void
folder_enter_idle(struct store *s, struct folder *f)
{
	f->idle = true;
	f->idle_octets =
	    sizeof(*f) + (f->current == NULL ? 0 : view_memory(f->current));
	f->idle_next = NULL;
	f->idle_prev = s->idle_last;
	if (s->idle_last == NULL)
		s->idle_first = f;
	else
		s->idle_last->idle_next = f;
	s->idle_last = f;
	s->idle_octets += f->idle_octets;
}

static void
account_unlink_folder(struct account *a, struct folder *f)
{
	struct folder **at = &a->folders;

	while (*at != NULL && *at != f)
		at = &(*at)->next;
	if (*at == f)
		*at = f->next;
}

int
folder_hold(struct account *a, struct span name, struct folder **folder_out,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf directory;
	struct store *s = a->store;
	struct folder *f;

	buf_init(&directory, 4 * NAME_DIRECTORY_MAX);
	if (name_to_directory(name, &directory, err) == -1)
		return -1;
	(void)pthread_mutex_lock(&s->mutex);
	for (f = a->folders; f != NULL; f = f->next)
		if (!f->dead && !f->detached &&
		    strcmp(f->directory, buf_str(&directory)) == 0)
			break;
	if (f == NULL && (f = folder_new(a, buf_str(&directory))) != NULL) {
		f->next = a->folders;
		a->folders = f;
	}
	if (f != NULL) {
		folder_leave_idle(s, f);
		f->handles++;
		a->refs++;
	}
	(void)pthread_mutex_unlock(&s->mutex);
	if (f == NULL)
		return err_set(err, ERR_TEMP, "folder: out of memory");
	*folder_out = f;
	return 0;
}

void
folder_release(struct folder *f)
{
	struct account *a = f->account;
	struct store *s = a->store;

	(void)pthread_mutex_lock(&s->mutex);
	if (--f->handles == 0) {
		/* Nobody can have the turn now. */
		folder_close_files(f);
		if (f->dead || f->detached || f->current == NULL) {
			account_unlink_folder(a, f);
			folder_free(f);
		} else {
			folder_enter_idle(s, f);
		}
	}
	if (--a->refs == 0 && a->folders == NULL)
		account_free(a);
	store_trim_cache(s, s->cache_octets);
	(void)pthread_mutex_unlock(&s->mutex);
}

void
account_forget_folder(struct account *a, const char *directory, bool gone)
{
	struct store *s = a->store;
	struct folder *f, *next;

	(void)pthread_mutex_lock(&s->mutex);
	for (f = a->folders; f != NULL; f = next) {
		next = f->next;
		if (strcmp(f->directory, directory) != 0)
			continue;
		f->detached = true;
		if (gone)
			f->dead = true;
		if (f->handles == 0) {
			folder_leave_idle(s, f);
			account_unlink_folder(a, f);
			folder_free(f);
		}
	}
	(void)pthread_mutex_unlock(&s->mutex);
}

/* ---- base names ---- */

void
store_base_name(struct store *s, struct buf *out)
{
	struct timespec now;
	uint64_t us, last = s->last_name_us;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	/* Strictly rising, whatever the clock does and however many ask. */
	do {
		if (us <= last)
			us = last + 1;
	} while (!atomic_compare_exchange_weak(&s->last_name_us, &last, us));
	buf_append_fmt(out, "%llu.M%lluP%d.%s",
	    (unsigned long long)(us / 1000000),
	    (unsigned long long)(us % 1000000), (int)s->pid, s->hostname);
}
