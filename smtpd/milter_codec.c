/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets out, options, names. */
#include "smtpd/milter_codec.h"

#include "common/ascii.h"

static const struct {
	enum milter_command command;
	const char *name;
	uint32_t no, nr;
} commands[] = {
	{ MILTER_OPTNEG, "OPTNEG", 0, 0 },
	{ MILTER_MACRO, "MACRO", 0, 0 },
	{ MILTER_CONNECT, "CONNECT", MILTER_NO_CONNECT, MILTER_NR_CONNECT },
	{ MILTER_HELO, "HELO", MILTER_NO_HELO, MILTER_NR_HELO },
	{ MILTER_MAIL, "MAIL", MILTER_NO_MAIL, MILTER_NR_MAIL },
	{ MILTER_RCPT, "RCPT", MILTER_NO_RCPT, MILTER_NR_RCPT },
	{ MILTER_DATA, "DATA", MILTER_NO_DATA, MILTER_NR_DATA },
	{ MILTER_HEADER, "HEADER", MILTER_NO_HEADER, MILTER_NR_HEADER },
	{ MILTER_EOH, "EOH", MILTER_NO_EOH, MILTER_NR_EOH },
	{ MILTER_BODY, "BODY", MILTER_NO_BODY, MILTER_NR_BODY },
	{ MILTER_EOM, "EOM", 0, 0 },
	{ MILTER_ABORT, "ABORT", 0, 0 },
	{ MILTER_QUIT, "QUIT", 0, 0 },
	{ MILTER_UNKNOWN, "UNKNOWN", MILTER_NO_UNKNOWN, MILTER_NR_UNKNOWN },
};

static size_t
command_row(enum milter_command command)
{
	size_t i = 0;

	while (commands[i].command != command)
		i++;
	return i;
}

uint32_t
milter_no_bit(enum milter_command command)
{
	return commands[command_row(command)].no;
}

uint32_t
milter_nr_bit(enum milter_command command)
{
	return commands[command_row(command)].nr;
}

const char *
milter_command_name(enum milter_command command)
{
	return commands[command_row(command)].name;
}

/* ---- packets out
 * -------------------------------------------------------------------- */

static void
put_u32(struct buf *out, uint32_t number)
{
	char octets[4] = { (char)(number >> 24), (char)(number >> 16),
		(char)(number >> 8), (char)number };

	buf_append(out, span_of(octets, sizeof(octets)));
}

static int
put_head(
    struct buf *out, enum milter_command command, size_t len, struct err *err)
{
	if (len > MILTER_DATA_MAX)
		return err_set(err, ERR_LIMIT,
		    "%s of %zu octets; a milter takes %d",
		    milter_command_name(command), len, MILTER_DATA_MAX);
	put_u32(out, (uint32_t)len + 1);
	buf_append_octet(out, (char)command);
	return 0;
}

int
milter_put(struct buf *out, enum milter_command command, struct span data,
    struct err *err)
{
	if (put_head(out, command, data.len, err) == -1)
		return -1;
	buf_append(out, data);
	return buf_check(out, err);
}

int
milter_put_texts(struct buf *out, enum milter_command command,
    const struct span *texts, size_t count, struct err *err)
{
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		if (span_index(texts[i], '\0') >= 0)
			return err_set(err, ERR_SYNTAX, "NUL in %s",
			    milter_command_name(command));
		len += texts[i].len + 1;
	}
	if (put_head(out, command, len, err) == -1)
		return -1;
	for (size_t i = 0; i < count; i++) {
		buf_append(out, texts[i]);
		buf_append_octet(out, '\0');
	}
	return buf_check(out, err);
}

int
milter_put_connect(struct buf *out, struct span host, char family,
    uint16_t port, struct span address, struct err *err)
{
	char octets[3] = { family, (char)(port >> 8), (char)port };
	bool known = family != 'U';

	if (put_head(out, MILTER_CONNECT,
		host.len + 2 + (known ? 2 + address.len + 1 : 0), err) == -1)
		return -1;
	buf_append(out, host);
	buf_append_octet(out, '\0');
	buf_append(out, span_of(octets, known ? 3 : 1));
	if (known) {
		buf_append(out, address);
		buf_append_octet(out, '\0');
	}
	return buf_check(out, err);
}

/* ---- options
 * ------------------------------------------------------------------------ */

void
milter_offer(unsigned version, struct milter_options *out)
{
	*out = (struct milter_options){ .version = version,
		.actions = MILTER_ACTIONS_ALL,
		.protocol = MILTER_PROTOCOL_ALL };
	if (version < 6) {
		out->actions = 0x3f;
		out->protocol = 0x7f;
	}
	if (version == 3 || version == 4)
		out->protocol |= MILTER_NO_UNKNOWN;
	if (version == 4)
		out->protocol |= MILTER_NO_DATA;
}

void
milter_offer_put(const struct milter_options *offer, struct buf *out)
{
	(void)put_head(out, MILTER_OPTNEG, 12, NULL);
	put_u32(out, offer->version);
	put_u32(out, offer->actions);
	put_u32(out, offer->protocol);
}

static bool
take_u32(struct span *in, uint32_t *number_out)
{
	const unsigned char *p = (const unsigned char *)in->p;

	if (in->len < 4)
		return false;
	*number_out = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
		      (uint32_t)p[2] << 8 | p[3];
	*in = span_from(*in, 4);
	return true;
}

/* Names apart by spaces or commas; what is no name is passed over. */
static int
macros_take(struct span list, char *out, size_t size, struct err *err)
{
	size_t len = 0, names = 0;

	while (list.len > 0) {
		size_t n = 0;

		while (n < list.len && list.p[n] != ' ' && list.p[n] != ',')
			n++;
		if (n > 0 && ascii_all(span_first(list, n), ASCII_VCHAR)) {
			if (++names > MILTER_MACROS_MAX || len + n + 2 > size)
				return err_set(err, ERR_LIMIT,
				    "over %d macros asked for",
				    MILTER_MACROS_MAX);
			if (len > 0)
				out[len++] = ' ';
			memcpy(out + len, list.p, n);
			len += n;
		}
		list = span_from(list, n + 1);
	}
	out[len] = '\0';
	return 0;
}

int
milter_options_parse(struct span data, const struct milter_options *offer,
    struct milter_options *out, struct err *err)
{
	struct milter_options o = { .version = 0 };
	uint32_t stage;
	struct span list;

	if (!take_u32(&data, &o.version) || !take_u32(&data, &o.actions) ||
	    !take_u32(&data, &o.protocol))
		return err_set(err, ERR_SYNTAX, "options of under 12 octets");
	if (o.version < 2 || o.version > offer->version)
		return err_set(err, ERR_POLICY,
		    "it wants version %u of the protocol, and %u was offered",
		    o.version, offer->version);
	if ((o.actions & ~offer->actions) != 0 ||
	    (o.protocol & ~offer->protocol) != 0)
		return err_set(err, ERR_POLICY,
		    "it wants actions 0x%x and protocol 0x%x, and 0x%x and "
		    "0x%x were offered",
		    o.actions, o.protocol, offer->actions, offer->protocol);
	while (data.len > 0) {
		if (!take_u32(&data, &stage) ||
		    !span_take_until(&data, '\0', &list))
			return err_set(
			    err, ERR_SYNTAX, "malformed list of macros");
		if (stage >= MILTER_STAGES)
			continue;
		if (macros_take(
			list, o.macros[stage], sizeof(o.macros[0]), err) == -1)
			return -1;
		o.macros_set[stage] = true;
	}
	if (o.version <= 2)
		o.protocol |= MILTER_NO_UNKNOWN;
	if (o.version <= 3)
		o.protocol |= MILTER_NO_DATA;
	*out = o;
	return 0;
}
