/* SPDX-License-Identifier: BSD-2-Clause */
/* SEARCH.                            RFC 3501 section 6.4.4, RFC 4731 */
#include "imapd/search.h"

#include "imapd/command.h"
#include "imapd/modseq.h"
#include "imapd/reply.h"
#include "store/records.h"

/* "* SEARCH" *(SP nz-number) [SP "(" "MODSEQ" SP number ")"] */
static void
search_write(struct imap_session *s, const uint32_t *found, size_t count,
    uint64_t modseq)
{
	buf_append(&s->out, SPAN("* SEARCH"));
	for (size_t i = 0; i < count; i++) {
		buf_append_octet(&s->out, ' ');
		buf_append_u64(&s->out, found[i]);
		session_out(s);
	}
	if (modseq != 0) {
		buf_append(&s->out, SPAN(" (MODSEQ "));
		buf_append_u64(&s->out, modseq);
		buf_append_octet(&s->out, ')');
	}
	buf_append(&s->out, SPAN("\r\n"));
}

uint64_t
search_modseq(struct imap_session *s, const struct search_program *program,
    const uint32_t *indexes, size_t count)
{
	const unsigned ends = SEARCH_RETURN_MIN | SEARCH_RETURN_MAX;
	const unsigned all = SEARCH_RETURN_ALL | SEARCH_RETURN_COUNT;
	const struct view *v = mailbox_view(s->mailbox);
	bool whole = !program->extended || (program->result & all) != 0 ||
		     (program->result & ends) == 0;
	uint64_t highest = 0;

	for (size_t i = 0; program->modseq && i < count; i++) {
		uint64_t modseq = view_at(v, indexes[i])->change;
		bool told =
		    whole ||
		    (i == 0 && (program->result & SEARCH_RETURN_MIN) != 0) ||
		    (i + 1 == count &&
			(program->result & SEARCH_RETURN_MAX) != 0);

		if (told && modseq > highest)
			highest = modseq;
	}
	return highest;
}

/* Nothing found: no MIN, MAX, ALL. */
void
esearch_write(struct imap_session *s, unsigned result, const uint32_t *found,
    size_t count, uint64_t modseq)
{
	buf_append(&s->out, SPAN("* ESEARCH (TAG "));
	imap_string_write(&s->out, s->tag);
	buf_append_octet(&s->out, ')');
	if (s->uid)
		buf_append(&s->out, SPAN(" UID"));
	if (count > 0 && (result & SEARCH_RETURN_MIN) != 0)
		buf_append_fmt(&s->out, " MIN %u", found[0]);
	if (count > 0 && (result & SEARCH_RETURN_MAX) != 0)
		buf_append_fmt(&s->out, " MAX %u", found[count - 1]);
	if (count > 0 && (result & SEARCH_RETURN_ALL) != 0) {
		buf_append(&s->out, SPAN(" ALL "));
		sequence_set_format(found, count, &s->out);
	}
	if ((result & SEARCH_RETURN_COUNT) != 0)
		buf_append_fmt(&s->out, " COUNT %zu", count);
	if (modseq != 0) {
		buf_append(&s->out, SPAN(" MODSEQ "));
		buf_append_u64(&s->out, modseq);
	}
	buf_append(&s->out, SPAN("\r\n"));
}

/* Some key may be answered by the cache. */
static bool
search_asks_cache(const struct search_key *k)
{
	for (; k != NULL; k = k->next) {
		if ((k->kind >= SEARCH_LARGER && k->kind <= SEARCH_HEADER) ||
		    search_asks_cache(k->keys))
			return true;
	}
	return false;
}

/* What "$" stands for in the keys. */
static int
saved_get(struct imap_session *s, struct search_key *k, struct err *err)
{
	for (; k != NULL; k = k->next) {
		if (session_saved_get(s, &k->set, err) == -1 ||
		    saved_get(s, k->keys, err) == -1)
			return -1;
	}
	return 0;
}

int
search_run(struct imap_session *s, const struct search_program *program,
    uint32_t **found_out, size_t *count_out, struct err *err)
{
	CLEANUP(search_context_fini) struct search_context c;
	const struct view *v = mailbox_view(s->mailbox);
	uint32_t *found =
	    arena_array(&s->arena, view_count(v), sizeof(*found), err);

	*count_out = 0;
	search_context_init(&c, s->mailbox);
	if (found == NULL || saved_get(s, program->keys, err) == -1)
		return -1;
	search_resolve(program, &c);
	if (search_asks_cache(program->keys))
		c.known = record_reader_new(
		    host_records(s->host), s->mailbox, c.count);
	for (uint32_t i = 0; i < c.count; i++) {
		const struct message *m = view_at(v, i);
		bool match;

		if ((m->letters & MESSAGE_GONE) != 0)
			continue;
		if (search_matches(program, &c, i, &match, err) == -1)
			return -1;
		if (match)
			found[(*count_out)++] = i;
	}
	if (c.unreadable > 0)
		log_error(&s->log, "messages not searched",
		    log_u64("count", c.unreadable), log_err(&c.unreadable_err));
	*found_out = found;
	return 0;
}

/*
 * RFC 5182 section 2.4: with MIN or MAX, and neither ALL nor COUNT, only those
 * are saved.
 */
static int
search_save(struct imap_session *s, unsigned result, const uint32_t *found,
    size_t count, struct err *err)
{
	const unsigned all = SEARCH_RETURN_ALL | SEARCH_RETURN_COUNT;
	uint32_t ends[2];
	size_t kept = 0;

	if ((result & all) != 0 || count == 0 ||
	    (result & (SEARCH_RETURN_MIN | SEARCH_RETURN_MAX)) == 0)
		return session_saved_set(s, found, count, err);
	if ((result & SEARCH_RETURN_MIN) != 0)
		ends[kept++] = found[0];
	if ((result & SEARCH_RETURN_MAX) != 0 && (kept == 0 || count > 1))
		ends[kept++] = found[count - 1];
	return session_saved_set(s, ends, kept, err);
}

int
imap_search(struct imap_session *s, struct span args, struct err *err)
{
	struct search_program program;
	uint64_t modseq;
	uint32_t *found;
	size_t count;

	if (search_parse(&args, &s->arena, &program, err) == -1) {
		if (err->kind == ERR_POLICY)
			session_code(s, "BADCHARSET");
		return -1;
	}
	if (search_run(s, &program, &found, &count, err) == -1 ||
	    ((program.result & SEARCH_RETURN_SAVE) != 0 &&
		search_save(s, program.result, found, count, err) == -1)) {
		/* RFC 5182 2.1: NO empties what was saved. */
		if ((program.result & SEARCH_RETURN_SAVE) != 0)
			(void)session_saved_set(s, NULL, 0, NULL);
		return -1;
	}
	if (program.modseq)
		session_condstore(s);
	modseq = search_modseq(s, &program, found, count);
	session_numbers(s, found, count);
	if (!program.extended)
		search_write(s, found, count, modseq);
	else if (program.result != SEARCH_RETURN_SAVE)
		esearch_write(s, program.result, found, count, modseq);
	return 0;
}
