/* SPDX-License-Identifier: BSD-2-Clause */
#include "milters/target.h"

#include <stdlib.h>
#include <string.h>

#include "mime/xtext.h"

/* Of all lists in one message together. */
#define TARGETS_MAX 50000
/* Parameters of one recipient: libmilter takes 64 KB in a packet. */
#define PARAMETERS_MAX 60000

static struct span
without_brackets(struct span path)
{
	if (span_starts(path, SPAN("<")) && span_ends(path, SPAN(">")))
		return span_of(path.p + 1, path.len - 2);
	return path;
}

void
targets_free(struct judged *j)
{
	for (size_t i = 0; i < j->targets_len; i++) {
		struct settings *s = j->targets[i].settings;

		/* Those of one account share it: freed with the first. */
		for (size_t k = i; s != NULL && k < j->targets_len; k++)
			if (j->targets[k].settings == s)
				j->targets[k].settings = NULL;
		if (s != NULL)
			settings_fini(s);
		free(s);
	}
	free(j->targets);
	j->targets = NULL;
	j->targets_len = 0;
}

static struct target *
target_new(struct judged *j, struct err *err)
{
	struct target *t = j->targets;

	/* Room doubles at powers of two. */
	if ((j->targets_len & (j->targets_len - 1)) == 0) {
		size_t room = j->targets_len == 0 ? 1 : j->targets_len * 2;

		if (room > TARGETS_MAX * 2) {
			(void)err_set(err, ERR_LIMIT, "too many recipients");
			return NULL;
		}
		t = realloc(j->targets, room * sizeof(*t));
		if (t == NULL) {
			(void)err_set(err, ERR_TEMP, "out of memory");
			return NULL;
		}
		j->targets = t;
	}
	t += j->targets_len++;
	memset(t, 0, sizeof(*t));
	return t;
}

static struct settings *
settings_shared(struct judged *j, const char *id)
{
	for (size_t i = 0; i < j->targets_len; i++)
		if (j->targets[i].settings != NULL &&
		    strcmp(j->targets[i].settings->account.id, id) == 0)
			return j->targets[i].settings;
	return NULL;
}

/* An account that went away meanwhile is treated like an address elsewhere:
 * who places the mail will say so. */
static int
target_settings(struct judged *j, const struct account_info *account,
    struct settings **out, struct err *err)
{
	struct settings *s = settings_shared(j, account->id);
	enum lookup found;

	*out = s;
	if (s != NULL)
		return 0;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	found = tenants_settings(j->tenants, account->id, s, err);
	if (found == LOOKUP_FOUND) {
		*out = s;
		return 0;
	}
	settings_fini(s);
	free(s);
	return found == LOOKUP_NONE ? 0 : -1;
}

static int
target_add(struct judged *j, const struct target *like,
    const struct recipient *r, struct err *err)
{
	struct settings *settings = NULL;
	struct span address = like->path;
	struct target *t;

	if (r != NULL) {
		address = arena_copy(&j->arena, span_str(r->address), err);
		if (address.p == NULL)
			return -1;
		if (r->local &&
		    target_settings(j, &r->account, &settings, err) == -1)
			return -1;
	}
	t = target_new(j, err);
	if (t == NULL) {
		if (settings != NULL &&
		    settings_shared(j, settings->account.id) == NULL) {
			settings_fini(settings);
			free(settings);
		}
		return -1;
	}
	*t = *like;
	t->address = address;
	t->settings = settings;
	t->local = settings != NULL;
	return 0;
}

static int
targets_of(
    struct judged *j, const struct target *like, bool look_up, struct err *err)
{
	CLEANUP(resolution_fini) struct resolution found = { .count = 0 };

	if (!look_up)
		return target_add(j, like, NULL, err);
	if (tenants_resolve(j->tenants, like->path, &found, err) == -1)
		return -1;
	if (found.count == 0)
		return target_add(j, like, NULL, err);
	for (size_t i = 0; i < found.count; i++)
		if (target_add(j, like, &found.recipients[i], err) == -1)
			return -1;
	return 0;
}

static int
targets_fill(struct judged *j, bool look_up, struct err *err)
{
	const struct message *m = j->message;

	targets_free(j);
	for (size_t i = 0; i < m->rcpts_len; i++) {
		struct target like = { .rcpt = i,
			.path = without_brackets(m->rcpts[i]),
			.before = &j->before.rcpts[i] };

		if (!like.before->deleted &&
		    targets_of(j, &like, look_up, err) == -1)
			return -1;
	}
	for (size_t i = 0; i < j->before.added_len; i++) {
		struct target like = { .rcpt = RCPT_ADDED,
			.path = j->before.added[i].address,
			.before = &j->before.added[i] };

		if (!like.before->deleted &&
		    targets_of(j, &like, look_up, err) == -1)
			return -1;
	}
	return 0;
}

int
targets_find(struct judged *j, struct err *err)
{
	return targets_fill(j, true, err);
}

int
targets_plain(struct judged *j, struct err *err)
{
	return targets_fill(j, false, err);
}

/* ---- what goes back
 * ------------------------------------------------------ */

static void
put_parameter(struct buf *out, const char *keyword, struct span value)
{
	if (value.p == NULL)
		return;
	if (out->len > 0)
		buf_append_octet(out, ' ');
	buf_append_str(out, keyword);
	xtext_encode(value, out);
}

static void
put_change(struct buf *out, const struct change *c)
{
	put_parameter(out, "FOLDER=", c->folder);
	put_parameter(out, "TAG=", c->tag);
	put_parameter(out, "REPLACE=", c->replace);
	put_parameter(out, "TRACE=", c->trace);
}

static int
mta_add(SMFICTX *ctx, struct span address, const struct buf *parameters,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf path;
	CLEANUP(mem_free) char *copy = NULL;

	buf_init(&path, MAILADDR_PATH_ROOM);
	buf_append_octet(&path, '<');
	buf_append(&path, address);
	buf_append_octet(&path, '>');
	if (buf_check(&path, err) == -1 || buf_check(parameters, err) == -1)
		return -1;
	copy = strdup(buf_str(parameters));
	if (copy == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	if (smfi_addrcpt_par(ctx, path.data, copy) == MI_SUCCESS)
		return 0;
	return err_set(err, ERR_TEMP, "the MTA takes no recipient");
}

static int
mta_delete(SMFICTX *ctx, struct span address, struct err *err)
{
	CLEANUP(buf_fini) struct buf path;

	buf_init(&path, MAILADDR_PATH_ROOM);
	buf_append_octet(&path, '<');
	buf_append(&path, address);
	buf_append_octet(&path, '>');
	if (buf_check(&path, err) == -1)
		return -1;
	if (smfi_delrcpt(ctx, path.data) == MI_SUCCESS)
		return 0;
	return err_set(err, ERR_TEMP, "the MTA deletes no recipient");
}

static bool
text_eq(struct span a, struct span b)
{
	return (a.p == NULL) == (b.p == NULL) && span_eq(a, b);
}

static bool
change_eq(const struct change *a, const struct change *b)
{
	return a->remove == b->remove && text_eq(a->folder, b->folder) &&
	       text_eq(a->tag, b->tag) && text_eq(a->replace, b->replace) &&
	       text_eq(a->trace, b->trace);
}

/* All that one recipient of the MTA stands for. */
static int
apply_together(const struct target *t, SMFICTX *ctx, struct err *err)
{
	CLEANUP(buf_fini) struct buf parameters;

	buf_init(&parameters, PARAMETERS_MAX);
	if (t->change.remove)
		return mta_delete(ctx, t->path, err);
	put_change(&parameters, &t->change);
	return parameters.len == 0 ? 0
				   : mta_add(ctx, t->path, &parameters, err);
}

static struct span
latest(struct span before, struct span now)
{
	return now.p == NULL ? before : now;
}

/* With what was said of the list. */
static int
apply_member(const struct target *t, SMFICTX *ctx, struct err *err)
{
	const struct disposition *b = t->before;
	const struct change *c = &t->change;
	CLEANUP(buf_fini) struct buf parameters;

	buf_init(&parameters, PARAMETERS_MAX);
	put_parameter(&parameters, "FOLDER=", latest(b->folder, c->folder));
	put_parameter(&parameters, "TAG=", latest(b->tag, c->tag));
	put_parameter(&parameters, "REPLACE=", latest(b->replace, c->replace));
	put_parameter(&parameters, "FORWARDEDBY=", b->forwarded_by);
	put_parameter(&parameters, "TRACE=", b->trace);
	put_parameter(&parameters, "TRACE=", c->trace);
	return mta_add(ctx, t->address, &parameters, err);
}

/* A list's members go their own ways. */
static int
apply_apart(const struct target *t, size_t len, SMFICTX *ctx, struct err *err)
{
	if (mta_delete(ctx, t->path, err) == -1)
		return -1;
	for (; len > 0; t++, len--)
		if (!t->change.remove && apply_member(t, ctx, err) == -1)
			return -1;
	return 0;
}

static int
apply_extra(const struct extra *e, SMFICTX *ctx, struct err *err)
{
	CLEANUP(buf_fini) struct buf parameters;

	buf_init(&parameters, PARAMETERS_MAX);
	put_parameter(&parameters, "FORWARDEDBY=", e->forwarded_by);
	put_change(&parameters, &e->change);
	return mta_add(ctx, e->address, &parameters, err);
}

int
targets_apply(const struct judged *j, SMFICTX *ctx, struct err *err)
{
	size_t len;

	for (size_t i = 0; i < j->targets_len; i += len) {
		const struct target *t = &j->targets[i];
		bool same = true;

		for (len = 1; i + len < j->targets_len; len++) {
			if (t[len].before != t->before)
				break;
			if (!change_eq(&t[len].change, &t->change))
				same = false;
		}
		if ((same ? apply_together(t, ctx, err)
			  : apply_apart(t, len, ctx, err)) == -1)
			return -1;
	}
	for (const struct extra *e = j->extras; e != NULL; e = e->next)
		if (apply_extra(e, ctx, err) == -1)
			return -1;
	return 0;
}
