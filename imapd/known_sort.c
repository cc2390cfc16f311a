/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What SORT and THREAD compare.
 *
 *	record = date sent reply 7text *id
 *	text   = length octets
 *
 * date and sent have 64 bits, reply 8, length 16, as they lie in memory.  The
 * seven texts are those of struct known_sort, in its order, the last of them
 * the message's own id or nothing; what follows are the references.
 */
#include "imapd/known.h"

#include <openssl/sha.h>

#include "mime/addrlist.h"
#include "mime/charset.h"
#include "mime/date.h"
#include "mime/encoded.h"
#include "mime/header.h"
#include "mime/msgid.h"
#include "mime/subject.h"

/* Of a longer text the rest is not compared. */
#define TEXT_MAX 2000
/* Of a longer list of references the middle is left out. */
#define REFERENCES_MAX 200
/* A field longer than this is read up to here. */
#define FIELD_MAX 65536
#define ADDRESSES_MAX (1024 * 1024)

struct fixed {
	int64_t date, sent;
};

static struct span *
sort_text(struct known_sort *k, unsigned number)
{
	struct span *texts[] = { &k->subject, &k->from, &k->to, &k->cc,
		&k->display_from, &k->display_to, &k->message_id };

	return number < sizeof(texts) / sizeof(texts[0]) ? texts[number] : NULL;
}

static bool
text_take(struct span *in, struct span *out)
{
	uint16_t len;

	if (in->len < sizeof(len))
		return false;
	memcpy(&len, in->p, sizeof(len));
	*in = span_from(*in, sizeof(len));
	if (len > in->len)
		return false;
	*out = span_first(*in, len);
	*in = span_from(*in, len);
	return true;
}

static void
text_append(struct span text, struct buf *out)
{
	uint16_t len;
	char octets[sizeof(len)];

	if (text.len > TEXT_MAX)
		text.len = TEXT_MAX;
	len = (uint16_t)text.len;
	memcpy(octets, &len, sizeof(len));
	buf_append(out, span_of(octets, sizeof(octets)));
	buf_append(out, text);
}

bool
known_sort_parse(struct span value, struct known_sort *out)
{
	struct fixed f;
	struct span *text;

	if (value.len < sizeof(f) + 1)
		return false;
	memcpy(&f, value.p, sizeof(f));
	*out = (struct known_sort){ .date = f.date,
		.sent = f.sent,
		.reply = value.p[sizeof(f)] != '\0' };
	value = span_from(value, sizeof(f) + 1);
	for (unsigned i = 0; (text = sort_text(out, i)) != NULL; i++) {
		if (!text_take(&value, text))
			return false;
	}
	out->references = value;
	return value.len % KNOWN_ID == 0 &&
	       (out->message_id.len == 0 || out->message_id.len == KNOWN_ID);
}

/* ---- making ---- */

/* What one record is made of. */
struct making {
	struct span fields;
	struct buf *out;
	struct err *err;
	struct buf text, mapped;
	struct arena arena;
};

static void
making_fini(struct making *m)
{
	buf_fini(&m->text);
	buf_fini(&m->mapped);
	arena_fini(&m->arena);
}
CLEANUP_DEFINE_VALUE(struct making, making_fini)

/* SPAN_NONE: there is no such field. */
static struct span
field_value(const struct making *m, struct span name)
{
	struct field field;

	if (!field_find(m->fields, name, &field))
		return SPAN_NONE;
	return span_first(field.value, FIELD_MAX);
}

static int64_t
sent_date(const struct making *m, int64_t otherwise)
{
	struct civil civil;

	if (date_parse(field_value(m, SPAN("Date")), &civil, NULL) == -1)
		return otherwise;
	return civil_to_time(&civil);
}

static int
mapped_append(struct making *m, struct span utf8)
{
	buf_clear(&m->mapped);
	if (text_casemap(span_first(utf8, FIELD_MAX), &m->mapped, m->err) == -1)
		return -1;
	text_append(buf_span(&m->mapped), m->out);
	return 0;
}

/* The subject, behind reply. */
static int
subject_append(struct making *m)
{
	struct span base = SPAN("");
	bool reply = false;

	buf_clear(&m->text);
	if (encoded_words_decode(
		field_value(m, SPAN("Subject")), &m->text, m->err) == -1)
		return -1;
	if (m->text.len > 0)
		base = subject_base(m->text.data, m->text.len, &reply);
	buf_append_octet(m->out, reply ? 1 : 0);
	return mapped_append(m, base);
}

/* RFC 5957 section 3; the address where there is no name. */
static int
display_append(struct making *m, const struct addrlist_item *item)
{
	buf_clear(&m->text);
	if (item != NULL && item->name.p != NULL &&
	    encoded_words_decode(item->name, &m->text, m->err) == -1)
		return -1;
	if (item != NULL && m->text.len == 0) {
		buf_append(&m->text, item->local_part);
		if (item->domain.p != NULL) {
			buf_append_octet(&m->text, '@');
			buf_append(&m->text, item->domain);
		}
	}
	return mapped_append(m, buf_span(&m->text));
}

/* The first address of a field; NULL in *out: there is none. */
static int
address_first(struct making *m, struct span name, struct addrlist_item **out)
{
	struct span value = field_value(m, name);
	struct err why = ERR_INIT;

	*out = NULL;
	/* Over the limit, what was read before counts. */
	if (value.p != NULL &&
	    addrlist_parse(value, &m->arena, out, &why) == -1 &&
	    why.kind != ERR_LIMIT)
		return err_set(m->err, why.kind, "%s", why.text);
	return 0;
}

/* addr-mailbox of ENVELOPE: of a group its name. */
static struct span
address_mailbox(const struct addrlist_item *item)
{
	if (item == NULL)
		return SPAN("");
	return item->kind == ADDRLIST_MAILBOX ? item->local_part : item->name;
}

static int
addresses_append(struct making *m)
{
	struct addrlist_item *from, *to, *cc;

	if (address_first(m, SPAN("From"), &from) == -1 ||
	    address_first(m, SPAN("To"), &to) == -1 ||
	    address_first(m, SPAN("Cc"), &cc) == -1 ||
	    mapped_append(m, address_mailbox(from)) == -1 ||
	    mapped_append(m, address_mailbox(to)) == -1 ||
	    mapped_append(m, address_mailbox(cc)) == -1)
		return -1;
	if (display_append(m, from) == -1 || display_append(m, to) == -1)
		return -1;
	return 0;
}

/* What is kept of the id in m->text. */
static struct span
id_digest(const struct making *m, unsigned char digest[SHA256_DIGEST_LENGTH])
{
	(void)SHA256((const unsigned char *)m->text.data, m->text.len, digest);
	return span_of((const char *)digest, KNOWN_ID);
}

/* How many ids a field has. */
static size_t
ids_count(struct making *m, struct span value)
{
	size_t count = 0;

	buf_clear(&m->text);
	while (msgid_next(&value, &m->text)) {
		count++;
		buf_clear(&m->text);
	}
	return count;
}

/* The first of many, and the last ones. */
static void
references_append(struct making *m, struct span value)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	size_t count = ids_count(m, value);

	for (size_t i = 0; i < count; i++) {
		buf_clear(&m->text);
		(void)msgid_next(&value, &m->text);
		if (i == 0 || i + REFERENCES_MAX > count)
			buf_append(m->out, id_digest(m, digest));
	}
}

/* RFC 5256 section 3: References, else the first id of In-Reply-To. */
static void
ids_append(struct making *m)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	struct span value = field_value(m, SPAN("Message-ID"));
	size_t before;

	buf_clear(&m->text);
	text_append(
	    msgid_next(&value, &m->text) ? id_digest(m, digest) : SPAN(""),
	    m->out);
	before = m->out->len;
	references_append(m, field_value(m, SPAN("References")));
	if (m->out->len > before)
		return;
	value = field_value(m, SPAN("In-Reply-To"));
	buf_clear(&m->text);
	if (msgid_next(&value, &m->text))
		buf_append(m->out, id_digest(m, digest));
}

int
known_sort_make(
    const struct known_source *source, struct buf *out, struct err *err)
{
	CLEANUP(making_fini)
	struct making m = { .fields = source->fields, .out = out, .err = err };
	struct fixed f = { .date = source->date };
	char octets[sizeof(f)];

	buf_init(&m.text, 8 * FIELD_MAX);
	buf_init(&m.mapped, 32 * FIELD_MAX);
	arena_init(&m.arena, ADDRESSES_MAX);
	f.sent = sent_date(&m, f.date);
	memcpy(octets, &f, sizeof(f));
	buf_append(out, span_of(octets, sizeof(octets)));
	if (subject_append(&m) == -1 || addresses_append(&m) == -1)
		return -1;
	ids_append(&m);
	return buf_check(out, err);
}
