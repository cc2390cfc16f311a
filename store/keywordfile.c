/* SPDX-License-Identifier: BSD-2-Clause */
/* dovecot-keywords on disk: keywords.h has its grammar. */
#include <string.h>

#include "store/inside.h"

#define KEYWORDS "dovecot-keywords"
#define KEYWORDS_OCTETS_MAX ((size_t)256 * 1024)

int
keywordfile_read(
    struct folder *f, struct keywords **keywords_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf text;
	struct keywords *k;
	struct stat st;
	bool absent;

	buf_init(&text, KEYWORDS_OCTETS_MAX);
	if (disk_read(f->fd, KEYWORDS, &text, &absent, &st, err) == -1)
		return -1;
	k = keywords_parse(buf_span(&text));
	if (k == NULL)
		return err_set(err, ERR_TEMP, "keywords: out of memory");
	f->keywords_stamp =
	    absent ? (struct disk_stamp){ 0 } : disk_stamp_of(&st);
	*keywords_out = k;
	return 0;
}

int
keywordfile_write(struct folder *f, const struct keywords *k, struct err *err)
{
	struct store *s = f->account->store;
	CLEANUP(dotlock_release) struct dotlock lock = DOTLOCK_INIT;
	CLEANUP(buf_fini) struct buf text;
	struct stat st;

	buf_init(&text, KEYWORDS_OCTETS_MAX);
	keywords_format(k, &text);
	if (buf_check(&text, err) == -1 ||
	    dotlock_take(f->fd, KEYWORDS, s->hostname, s->lock_wait_ms, &lock,
		err) == -1)
		return -1;
	/* Dovecot compares the time in whole seconds. */
	if (disk_replace(f->fd, KEYWORDS, KEYWORDS ".tmp", buf_span(&text),
		f->keywords_stamp.seconds, &st, err) == -1)
		return -1;
	f->keywords_stamp = disk_stamp_of(&st);
	return 0;
}
