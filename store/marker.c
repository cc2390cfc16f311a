/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/marker.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "store/disk.h"

#define ID_OCTETS 16
/* "1 ", the id, LF. */
#define MARKER_LEN (2 + 2 * (size_t)ID_OCTETS + 1)

static bool
marker_valid(struct span text)
{
	if (text.len != MARKER_LEN || !span_starts(text, SPAN("1 ")) ||
	    text.p[MARKER_LEN - 1] != '\n')
		return false;
	for (size_t i = 2; i < MARKER_LEN - 1; i++)
		if (strchr("0123456789abcdef", text.p[i]) == NULL ||
		    text.p[i] == '\0')
			return false;
	return true;
}

static int
marker_read(int dirfd, const char *name, struct buf *out, struct err *err)
{
	struct stat st;
	bool absent;

	if (disk_read(dirfd, name, out, &absent, &st, err) == -1)
		return -1;
	if (!absent && !marker_valid(buf_span(out)))
		return err_set(err, ERR_POLICY, "%s: not of our making", name);
	return 0;
}

/* Of the marker and of its copy; empty where there is none. */
static int
place_read(const struct marker_place *p, struct buf *here, struct buf *copy,
    struct err *err)
{
	buf_init(here, MARKER_LEN);
	buf_init(copy, MARKER_LEN);
	if (marker_read(p->directory, STORE_MARKER, here, err) == -1 ||
	    marker_read(p->copy_directory, p->copy, copy, err) == -1)
		return err_prefix(err, "%s", p->name);
	if (copy->len == 0 || span_eq(buf_span(here), buf_span(copy)))
		return 0;
	if (here->len == 0)
		return err_set(err, ERR_POLICY,
		    "%s: no " STORE_MARKER
		    " there any more; is its file system not mounted? (%s tells"
		    " that there was one: remove it to begin a new store)",
		    p->name, p->copy);
	return err_set(err, ERR_POLICY,
	    "%s: its " STORE_MARKER " is not the one of which %s is a copy",
	    p->name, p->copy);
}

int
marker_compare(const struct marker_place *place, struct err *err)
{
	CLEANUP(buf_fini) struct buf here, copy;

	return place_read(place, &here, &copy, err);
}

int
marker_make(int directory, struct err *err)
{
	CLEANUP(buf_fini) struct buf text;
	unsigned char id[ID_OCTETS];
	struct stat st;

	buf_init(&text, MARKER_LEN);
	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return err_sys(err, "getrandom");
	buf_append(&text, SPAN("1 "));
	for (size_t i = 0; i < sizeof(id); i++)
		buf_append_fmt(&text, "%02x", id[i]);
	buf_append_octet(&text, '\n');
	if (buf_check(&text, err) == -1 ||
	    file_replace(directory, STORE_MARKER, buf_span(&text), 0600, err) ==
		-1)
		return -1;
	if (geteuid() == 0 && (fstat(directory, &st) == -1 ||
				  fchownat(directory, STORE_MARKER, st.st_uid,
				      st.st_gid, AT_SYMLINK_NOFOLLOW) == -1))
		return err_sys(err, "chown " STORE_MARKER);
	return 0;
}

int
marker_settle(const struct marker_place *place, struct err *err)
{
	CLEANUP(buf_fini) struct buf here, copy;

	if (place_read(place, &here, &copy, err) == -1)
		return -1;
	if (here.len == 0 &&
	    (marker_make(place->directory, err) == -1 ||
		marker_read(place->directory, STORE_MARKER, &here, err) == -1))
		return err_prefix(err, "%s", place->name);
	/* Last: what it tells of is durable. */
	return copy.len > 0 ? 0
			    : file_replace(place->copy_directory, place->copy,
				  buf_span(&here), 0600, err);
}

int
marker_need(int dirfd, const char *path, struct err *err)
{
	struct err missing = ERR_INIT;
	char marker[512];
	struct stat st;
	int len = snprintf(marker, sizeof(marker), "%s/" STORE_MARKER, path);

	if (len < 0 || (size_t)len >= sizeof(marker))
		return err_set(err, ERR_LIMIT, "%s: path too long", path);
	if (fstatat(dirfd, marker, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	(void)err_sys(&missing,
	    "no " STORE_MARKER " in %s: is its file system not mounted?", path);
	/* Nobody has made it yet: that is no news. */
	if (errno == ENOENT &&
	    fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		log_error(
		    &log_process, "the store is not there", log_err(&missing));
	if (err != NULL)
		*err = missing;
	return -1;
}
