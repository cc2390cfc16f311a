/* SPDX-License-Identifier: BSD-2-Clause */
/* SORT.                            RFC 5256 section 3, RFC 5957, RFC 5267 */
#include "imapd/sort.h"

#include <stdlib.h>

#include "imapd/command.h"
#include "imapd/modseq.h"
#include "imapd/search.h"

/* ---- what is compared ------------------------------------------------------
 */

void
sort_reader_init(struct sort_reader *r, struct imap_session *s, size_t expected)
{
	*r = (struct sort_reader){ .session = s,
		.known = record_reader_new(
		    host_records(s->host), s->mailbox, expected) };
	message_head_init(&r->head);
	buf_init(&r->made, KNOWN_MADE_MAX);
}

void
sort_reader_fini(struct sort_reader *r)
{
	record_reader_free(r->known);
	message_head_fini(&r->head);
	buf_fini(&r->made);
}

static int
sort_learn(struct sort_reader *r, const struct message *m, struct span *out,
    struct err *err)
{
	struct known_source source = { .size = m->size_virtual };

	if (message_head_read(r->session->mailbox, m->uid, &r->head, err) == -1)
		return -1;
	source.fields = span_first(r->head.header, r->head.fields);
	source.date = r->head.date;
	return known_learn(
	    r->known, m->uid, KNOWN_SORT, &source, &r->made, out, err);
}

int
sort_reader_get(struct sort_reader *r, uint32_t index, struct known_sort *out,
    struct err *err)
{
	const struct message *m =
	    view_at(mailbox_view(r->session->mailbox), index);
	struct err why = ERR_INIT;
	struct span value;

	*out = (struct known_sort){ .reply = false };
	if (known_get(r->known, KNOWN_SORT, m->uid, &value) &&
	    known_sort_parse(value, out))
		return 0;
	if (sort_learn(r, m, &value, &why) == -1) {
		if (why.kind == ERR_POLICY)
			return 0;
		*err = why;
		return -1;
	}
	if (!known_sort_parse(value, out))
		return err_set(err, ERR_TEMP, "sort record of uid %u", m->uid);
	return 0;
}

/* ---- criteria --------------------------------------------------------------
 */

enum sort_key {
	SORT_ARRIVAL,
	SORT_CC,
	SORT_DATE,
	SORT_DISPLAYFROM,
	SORT_DISPLAYTO,
	SORT_FROM,
	SORT_SIZE,
	SORT_SUBJECT,
	SORT_TO,
	SORT_KEYS
};

static const char *const key_names[SORT_KEYS] = { "ARRIVAL", "CC", "DATE",
	"DISPLAYFROM", "DISPLAYTO", "FROM", "SIZE", "SUBJECT", "TO" };

union sort_value {
	int64_t number;
	struct span text;
};

struct sorting {
	/* What is named again decides nothing: it is left out. */
	struct {
		enum sort_key key;
		bool reverse;
	} criteria[SORT_KEYS];
	size_t count;
	union sort_value *values; /* count of them for each message */
};

static int
key_parse(struct span *in, enum sort_key *key_out, struct err *err)
{
	struct span name;

	if (imap_atom_parse(in, &name, err) == -1)
		return -1;
	for (enum sort_key k = 0; k < SORT_KEYS; k++) {
		if (span_eq_nocase(name, span_str(key_names[k]))) {
			*key_out = k;
			return 0;
		}
	}
	return err_set(err, ERR_SYNTAX, "Unknown sort key");
}

static void
criterion_add(struct sorting *sorting, enum sort_key key, bool reverse)
{
	for (size_t i = 0; i < sorting->count; i++) {
		if (sorting->criteria[i].key == key)
			return;
	}
	sorting->criteria[sorting->count].key = key;
	sorting->criteria[sorting->count++].reverse = reverse;
}

/* SP "(" sort-criterion *(SP sort-criterion) ")" */
static int
criteria_parse(struct span *in, struct sorting *out, struct err *err)
{
	enum sort_key key = SORT_KEYS;

	if (imap_sp_parse(in, err) == -1 ||
	    imap_octet_parse(in, '(', err) == -1)
		return -1;
	do {
		bool reverse = span_take_nocase(in, SPAN("REVERSE "));

		if (key_parse(in, &key, err) == -1)
			return -1;
		criterion_add(out, key, reverse);
	} while (span_take_octet(in, ' '));
	return imap_octet_parse(in, ')', err);
}

/* ---- sorting ---------------------------------------------------------------
 */

static bool
key_is_text(enum sort_key key)
{
	return key != SORT_ARRIVAL && key != SORT_DATE && key != SORT_SIZE;
}

static struct span
key_text(enum sort_key key, const struct known_sort *k)
{
	switch (key) {
	case SORT_CC:
		return k->cc;
	case SORT_DISPLAYFROM:
		return k->display_from;
	case SORT_DISPLAYTO:
		return k->display_to;
	case SORT_FROM:
		return k->from;
	case SORT_TO:
		return k->to;
	default:
		return k->subject;
	}
}

static int
size_get(struct sort_reader *r, uint32_t index, int64_t *out, struct err *err)
{
	struct mailbox *m = r->session->mailbox;
	struct err why = ERR_INIT;
	uint64_t octets;

	*out = 0;
	if (known_size(r->known, m, view_at(mailbox_view(m), index), &octets,
		&why) == 0)
		*out = (int64_t)octets;
	else if (why.kind != ERR_POLICY)
		return *err = why, -1;
	return 0;
}

/* The values of one message. */
static int
values_get(const struct sorting *sorting, struct sort_reader *r, uint32_t index,
    union sort_value *values, struct err *err)
{
	struct known_sort k;

	if (sort_reader_get(r, index, &k, err) == -1)
		return -1;
	for (size_t i = 0; i < sorting->count; i++) {
		enum sort_key key = sorting->criteria[i].key;

		if (key_is_text(key)) {
			values[i].text = arena_copy(
			    &r->session->arena, key_text(key, &k), err);
			if (values[i].text.p == NULL)
				return -1;
		} else if (key == SORT_SIZE) {
			if (size_get(r, index, &values[i].number, err) == -1)
				return -1;
		} else {
			values[i].number = key == SORT_DATE ? k.sent : k.date;
		}
	}
	return 0;
}

static int
text_cmp(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len == 0 ? 0 : memcmp(a.p, b.p, len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Places in the order of the mailbox, which decides at the end. */
static int
place_cmp(const void *a, const void *b, void *arg)
{
	const struct sorting *s = arg;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;

	for (size_t n = 0; n < s->count; n++) {
		const union sort_value *x = &s->values[i * s->count + n];
		const union sort_value *y = &s->values[j * s->count + n];
		int order =
		    key_is_text(s->criteria[n].key)
			? text_cmp(x->text, y->text)
			: (x->number > y->number) - (x->number < y->number);

		if (order != 0)
			return s->criteria[n].reverse ? -order : order;
	}
	return (i > j) - (i < j);
}

/* Brings the indexes into their order. */
static int
sort_run(struct imap_session *s, struct sorting *sorting, uint32_t *found,
    size_t count, struct err *err)
{
	CLEANUP(sort_reader_fini) struct sort_reader r;
	uint32_t *places = arena_array(&s->arena, count, sizeof(*places), err);
	uint32_t *sorted = arena_array(&s->arena, count, sizeof(*sorted), err);

	sort_reader_init(&r, s, count);
	sorting->values = arena_array(
	    &s->arena, count, sorting->count * sizeof(union sort_value), err);
	if (places == NULL || sorted == NULL || sorting->values == NULL)
		return -1;
	for (size_t i = 0; i < count; i++) {
		places[i] = (uint32_t)i;
		if (values_get(sorting, &r, found[i],
			&sorting->values[i * sorting->count], err) == -1)
			return -1;
	}
	qsort_r(places, count, sizeof(*places), place_cmp, sorting);
	for (size_t i = 0; i < count; i++)
		sorted[i] = found[places[i]];
	if (count > 0)
		memcpy(found, sorted, count * sizeof(*found));
	return 0;
}

/* "* SORT" *(SP nz-number) [SP "(" "MODSEQ" SP number ")"] */
static void
sort_write(struct imap_session *s, const uint32_t *numbers, size_t count,
    uint64_t modseq)
{
	buf_append(&s->out, SPAN("* SORT"));
	for (size_t i = 0; i < count; i++) {
		buf_append_octet(&s->out, ' ');
		buf_append_u64(&s->out, numbers[i]);
		session_out(s);
	}
	if (modseq != 0) {
		buf_append(&s->out, SPAN(" (MODSEQ "));
		buf_append_u64(&s->out, modseq);
		buf_append_octet(&s->out, ')');
	}
	buf_append(&s->out, SPAN("\r\n"));
}

int
imap_sort(struct imap_session *s, struct span args, struct err *err)
{
	struct search_program program = { .keys = NULL };
	struct sorting sorting = { .count = 0 };
	uint64_t modseq;
	uint32_t *found;
	size_t count;

	if (search_return_parse(&args, &s->arena, &program, err) == -1 ||
	    criteria_parse(&args, &sorting, err) == -1 ||
	    search_criteria_parse(&args, &s->arena, &program, err) == -1) {
		if (err->kind == ERR_POLICY)
			session_code(s, "BADCHARSET");
		return -1;
	}
	if ((program.result & SEARCH_RETURN_SAVE) != 0)
		return err_set(err, ERR_SYNTAX, "SORT saves nothing");
	if (search_run(s, &program, &found, &count, err) == -1 ||
	    sort_run(s, &sorting, found, count, err) == -1)
		return -1;
	if (program.modseq)
		session_condstore(s);
	modseq = search_modseq(s, &program, found, count);
	session_numbers(s, found, count);
	if (program.extended)
		esearch_write(s, program.result, found, count, modseq);
	else
		sort_write(s, found, count, modseq);
	return 0;
}
