/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/unique_id.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "common/ascii.h"
#include "store/inside.h"
#include "store/uidlist.h"

/* RFC 1939 section 7. */
#define MADE_MAX 70
#define WIDTH_MAX 20
#define MD5_OCTETS 16

/* ---- forms --------------------------------------------------------------- */

static const struct {
	struct span name, text;
} named[] = {
	{ { "dovecot", 7 }, { "%08Xu%08Xv", 10 } },
	{ { "courier", 7 }, { "UID%u-%v", 8 } },
	{ { "qmail", 5 }, { "%f", 2 } },
	{ { "cyrus", 5 }, { "%v.%u", 5 } },
	{ { "cyrus-uid", 9 }, { "%u", 2 } },
	{ { "uw", 2 }, { "%08Xv%08Xu", 10 } },
};

static struct span
form_text(struct span text)
{
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (span_eq(text, named[i].name))
			return named[i].text;
	return text;
}

/* "0" nz-digit [ digit ], or nothing. */
static bool
width_take(struct span *in, uint8_t *width_out)
{
	unsigned digit, width = 0, digits = 0;

	if (!span_take_octet(in, '0'))
		return true;
	while (digits < 2 && span_take_digit(in, &digit)) {
		width = 10 * width + digit;
		if (width == 0)
			return false;
		digits++;
	}
	*width_out = (uint8_t)width;
	return width > 0 && width <= WIDTH_MAX;
}

/* What follows a "%". */
static bool
variable_take(struct span *in, struct unique_id_piece *piece)
{
	struct span before = *in;
	bool number;

	if (span_take_octet(in, '%')) {
		piece->octet = '%';
		return true;
	}
	if (!width_take(in, &piece->width))
		return false;
	piece->hex = span_take_octet(in, 'X');
	number = in->len < before.len;
	piece->md5 = !number && span_take_octet(in, 'M');
	if (in->len == 0)
		return false;
	piece->kind = in->p[0];
	*in = span_from(*in, 1);
	switch (piece->kind) {
	case 'u':
	case 'v':
		return !piece->md5;
	case 'f':
		return !number;
	case 'g':
		return !number && !piece->md5;
	default:
		return false;
	}
}

static bool
piece_take(struct span *in, struct unique_id_piece *piece)
{
	*piece = (struct unique_id_piece){ .octet = in->p[0] };
	*in = span_from(*in, 1);
	if (piece->octet != '%')
		return ascii_is(piece->octet, ASCII_VCHAR);
	return variable_take(in, piece);
}

/* The most octets it makes, names of files apart. */
static size_t
piece_octets(const struct unique_id_piece *piece)
{
	size_t digits = piece->hex ? 8 : 10;

	if (piece->kind == 0)
		return 1;
	if (piece->kind == 'f' || piece->kind == 'g')
		return piece->md5 ? (size_t)2 * MD5_OCTETS : 0;
	return piece->width > digits ? piece->width : digits;
}

int
unique_id_form_parse(
    struct span text, struct unique_id_form *form_out, struct err *err)
{
	struct unique_id_form form = { .count = 0 };
	struct span rest = form_text(text);
	size_t len = rest.len, octets = 0;
	bool differs = false;

	if (len > UNIQUE_ID_FORM_MAX)
		return err_set(err, ERR_SYNTAX, "unique-ids: over %d octets",
		    UNIQUE_ID_FORM_MAX);
	while (rest.len > 0) {
		struct unique_id_piece *piece = &form.pieces[form.count++];
		size_t column = len - rest.len + 1;

		if (!piece_take(&rest, piece))
			return err_set(err, ERR_SYNTAX,
			    "unique-ids: not understood from column %zu",
			    column);
		octets += piece_octets(piece);
		differs = differs || (piece->kind != 0 && piece->kind != 'v');
	}
	if (!differs)
		return err_set(
		    err, ERR_SYNTAX, "unique-ids: the same for every message");
	if (octets > MADE_MAX)
		return err_set(err, ERR_SYNTAX,
		    "unique-ids: longer than %d octets", MADE_MAX);
	*form_out = form;
	return 0;
}

/* ---- telling one --------------------------------------------------------- */

static void
number_append(
    const struct unique_id_piece *piece, uint32_t number, struct buf *out)
{
	char digits[WIDTH_MAX];
	size_t at = sizeof(digits), least = sizeof(digits) - piece->width;
	unsigned base = piece->hex ? 16 : 10;

	do {
		digits[--at] = "0123456789abcdef"[number % base];
		number /= base;
	} while (number > 0);
	while (at > least)
		digits[--at] = '0';
	buf_append(out, span_of(digits + at, sizeof(digits) - at));
}

static void
md5_append(struct span octets, struct buf *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (EVP_Digest(octets.p, octets.len, digest, &len, EVP_md5(), NULL) !=
	    1) {
		out->failed = ERR_TEMP; /* better none than another one */
		return;
	}
	for (unsigned i = 0; i < len; i++)
		buf_append_fmt(out, "%02x", digest[i]);
}

static bool
tellable(struct span id)
{
	return id.len > 0 && id.len <= UNIQUE_ID_MAX &&
	       ascii_all(id, ASCII_VCHAR);
}

/* What a piece takes from the file's name; false: there is nothing to tell. */
static bool
name_append(const struct view *v, uint32_t index,
    const struct unique_id_piece *piece, struct buf *out)
{
	struct span name = view_base_name(v, index), id;

	if (piece->kind == 'g' && view_field(v, index, 'G', &id))
		name = id;
	if (name.len == 0)
		return false;
	if (piece->md5) {
		md5_append(name, out);
		return true;
	}
	buf_append(out, name);
	return tellable(name);
}

static bool
form_append(const struct view *v, uint32_t index,
    const struct unique_id_form *form, struct buf *out)
{
	size_t before = out->len;
	bool told = true;

	for (size_t i = 0; told && i < form->count; i++) {
		const struct unique_id_piece *piece = &form->pieces[i];

		if (piece->kind == 0)
			buf_append_octet(out, piece->octet);
		else if (piece->kind == 'u')
			number_append(piece, view_at(v, index)->uid, out);
		else if (piece->kind == 'v')
			number_append(piece, view_uidvalidity(v), out);
		else
			told = name_append(v, index, piece, out);
	}
	if (told && out->len - before <= UNIQUE_ID_MAX)
		return true;
	buf_truncate(out, before);
	return false;
}

void
view_unique_id(const struct view *v, uint32_t index,
    const struct unique_id_form *form, struct buf *out)
{
	static const struct unique_id_form dovecot = {
		.count = 2,
		.pieces = { { .kind = 'u', .width = 8, .hex = true },
		    { .kind = 'v', .width = 8, .hex = true } },
	};
	struct span id;

	if (view_field(v, index, 'P', &id)) {
		if (id.len == 0)
			id = view_base_name(v, index);
		if (tellable(id)) {
			buf_append(out, id);
			return;
		}
	}
	if (form == NULL || !form_append(v, index, form, out))
		(void)form_append(v, index, &dovecot, out);
}

/* ---- keeping them -------------------------------------------------------- */

/* A line's fields with another P. */
static void
fields_with(struct span fields, struct span id, struct buf *out)
{
	struct span field;

	while (fields.len > 0) {
		if (!span_take_until(&fields, ' ', &field)) {
			field = fields;
			fields = SPAN_NONE;
		}
		if (field.len == 0 || field.p[0] == 'P')
			continue;
		buf_append(out, field);
		buf_append_octet(out, ' ');
	}
	buf_append_octet(out, 'P');
	buf_append(out, id);
}

/* The edits' fields have their places in text, which moves while it grows. */
struct keeping {
	struct view_edit *edits;
	size_t count;
	struct buf text;
};

static void
keeping_fini(struct keeping *k)
{
	free(k->edits);
	buf_fini(&k->text);
}
CLEANUP_DEFINE_VALUE(struct keeping, keeping_fini)

static int
keeping_fill(struct keeping *k, const struct view *v,
    const struct unique_id *ids, size_t count, struct err *err)
{
	size_t at = 0;

	for (size_t i = 0; i < count; i++) {
		size_t before = k->text.len;
		uint32_t index;

		if (!view_find(v, ids[i].uid, &index))
			continue;
		fields_with(view_fields(v, index), ids[i].text, &k->text);
		k->edits[k->count++] = (struct view_edit){
			.index = index,
			.letters = view_at(v, index)->letters & ~MESSAGE_RAW,
			.has_fields = true,
			.fields = { .len = k->text.len - before },
		};
	}
	for (size_t i = 0; i < k->count; i++) {
		struct span *fields = &k->edits[i].fields;

		*fields = span_of(buf_str(&k->text) + at, fields->len);
		at += fields->len;
	}
	return buf_check(&k->text, err);
}

static int
folder_keep(struct folder *f, const struct unique_id *ids, size_t count,
    struct err *err)
{
	CLEANUP(view_unref) struct view *v = folder_current(f);
	CLEANUP(keeping_fini) struct keeping k = { .count = 0 };
	struct view_facts facts = view_facts(v);
	struct view *next;

	buf_init(&k.text, (count + 1) * (size_t)UINT16_MAX);
	k.edits = calloc(count + 1, sizeof(*k.edits));
	if (k.edits == NULL)
		return err_set(err, ERR_TEMP, "unique-ids: out of memory");
	if (keeping_fill(&k, v, ids, count, err) == -1)
		return -1;
	if (k.count == 0)
		return 0;
	facts.change = f->change + 1;
	if (view_derive(v, &facts, k.edits, k.count, NULL, 0, &next, err) == -1)
		return -1;
	if (uidfile_rewrite(f, next, err) == -1) {
		view_unref(next);
		f->uidlist.loaded = false;
		return -1;
	}
	f->change = facts.change;
	folder_publish(f, next);
	return 0;
}

int
mailbox_keep_unique_ids(struct mailbox *m, const struct unique_id *ids,
    size_t count, struct err *err)
{
	struct folder *f = m->folder;
	int done;

	if (m->mode != MAILBOX_WRITE)
		return err_set(err, ERR_POLICY, "the mailbox is read-only");
	for (size_t i = 0; i < count; i++)
		if (!tellable(ids[i].text))
			return err_set(err, ERR_SYNTAX, "no unique-id");
	done = folder_begin_change(f, true, m, err);
	if (done == 0)
		done = folder_keep(f, ids, count, err);
	folder_end(f);
	return done;
}
