/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/route.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/ascii.h"
#include "mime/address.h"

/* More records than this are nobody's honest MX. */
#define RECORDS_MAX 100

static void
end(struct route *r, enum route_outcome outcome, const char *reply)
{
	r->outcome = outcome;
	r->count = 0;
	(void)snprintf(r->reply, sizeof(r->reply), "%s", reply);
}

/* ---- next hops by configuration ---- */

/* host[:port], [address][:port] */
static bool
hop_parse(struct span text, uint16_t port, struct route_host *out)
{
	ptrdiff_t colon = span_rindex(text, ':');
	struct span host = text;
	uint64_t number = port;
	bool literal = span_starts(text, SPAN("["));

	if (literal && span_index(text, ']') > colon)
		colon = -1;
	if (colon >= 0) {
		if (!span_to_u64(span_from(text, (size_t)colon + 1), &number) ||
		    number == 0 || number > UINT16_MAX)
			return false;
		host = span_first(text, (size_t)colon);
	}
	if (literal) {
		if (!span_ends(host, SPAN("]")))
			return false;
		host = span_first(span_from(host, 1), host.len - 2);
	}
	if (host.len == 0 || host.len >= sizeof(out->name) ||
	    (!literal && !mail_domain_valid(host, false)))
		return false;
	*out =
	    (struct route_host){ .port = (uint16_t)number, .literal = literal };
	memcpy(out->name, host.p, host.len);
	return true;
}

bool
route_transport_valid(const char *text)
{
	struct span rest = span_str(text), domain;
	struct route_host host;

	return span_take_until(&rest, '=', &domain) &&
	       (span_eq(domain, SPAN("*")) ||
		   mail_domain_valid(domain, true)) &&
	       hop_parse(rest, 25, &host);
}

/* The domain's own, else "*". */
static bool
override(const struct router_options *o, struct span domain, struct route *r)
{
	bool found = false;

	for (size_t i = 0; i < o->transports->len; i++) {
		struct span rest = span_str(o->transports->items[i]), of;

		if (!span_take_until(&rest, '=', &of))
			continue;
		if (!span_eq_nocase(of, domain) &&
		    (found || !span_eq(of, SPAN("*"))))
			continue;
		if (!hop_parse(rest, o->port, &r->hosts[0]))
			continue;
		found = true;
		if (!span_eq(of, SPAN("*")))
			break;
	}
	if (!found)
		return false;
	r->outcome = ROUTE_HOSTS;
	r->count = 1;
	r->overridden = true;
	return true;
}

/* ---- MX ---- */

static uint32_t
random_number(void)
{
	uint32_t number = 0;

	return getrandom(&number, sizeof(number), GRND_NONBLOCK) == -1 ? 0
								       : number;
}

static int
by_preference(const void *a, const void *b)
{
	const struct route_host *one = a, *two = b;

	return (int)one->preference - (int)two->preference;
}

/* Equals in random order, then by preference (the sort is stable enough, as
 * whatever it does to equals is an order, too). */
static void
sort_hosts(struct route *r)
{
	for (size_t i = r->count; i > 1; i--) {
		size_t k = random_number() % i;
		struct route_host swap = r->hosts[i - 1];

		r->hosts[i - 1] = r->hosts[k];
		r->hosts[k] = swap;
	}
	qsort(r->hosts, r->count, sizeof(r->hosts[0]), by_preference);
}

/* The names under which we take mail are ours, and so is all behind them. */
static bool
is_ours(const struct router_options *o, const char *name, struct err *err,
    bool *failed_out)
{
	struct tenant_info tenant;

	if (span_eq_nocase(span_str(name), span_str(o->hostname)))
		return true;
	if (o->tenants == NULL)
		return false;
	switch (tenants_host(o->tenants, span_str(name), &tenant, err)) {
	case LOOKUP_FOUND:
		return true;
	case LOOKUP_NONE:
		return false;
	case LOOKUP_FAILED:
		break;
	}
	*failed_out = true;
	return false;
}

static void
guard_loops(const struct router_options *o, struct route *r)
{
	struct err err = ERR_INIT;
	bool failed = false;

	for (size_t i = 0; i < r->count && !failed; i++) {
		size_t keep = i;

		if (!is_ours(o, r->hosts[i].name, &err, &failed))
			continue;
		while (keep > 0 &&
		       r->hosts[keep - 1].preference == r->hosts[i].preference)
			keep--;
		r->count = keep;
	}
	if (failed)
		end(r, ROUTE_LATER, "451 4.3.0 Directory not available");
	else if (r->count == 0)
		end(r, ROUTE_NEVER,
		    "554 5.4.6 Mail for this domain comes back to this host");
}

static void
take_records(
    const struct router_options *o, const struct dns_answer *a, struct route *r)
{
	bool null_mx = false;

	for (size_t i = 0; i < a->count && i < RECORDS_MAX; i++) {
		struct span record = dns_record(a, i);
		struct route_host host = { .port = o->port };

		if (record.len < 3 ||
		    !dns_name(record, 2, host.name, sizeof(host.name)))
			continue;
		host.preference = (uint16_t)((unsigned char)record.p[0] << 8 |
					     (unsigned char)record.p[1]);
		null_mx |= host.name[0] == '\0';
		if (host.name[0] != '\0' && r->count < ROUTE_HOSTS_MAX)
			r->hosts[r->count++] = host;
	}
	r->outcome = ROUTE_HOSTS;
	if (r->count == 0)
		end(r, ROUTE_NEVER,
		    null_mx ? "556 5.1.10 The domain takes no mail (null MX)"
			    : "550 5.1.2 The domain has no usable MX record");
	else
		sort_hosts(r);
}

static void
find_mx(const struct router_options *o, const char *domain, struct route *r)
{
	CLEANUP(dns_answer_fini) struct dns_answer a;

	dns_ask(o->dns, domain, DNS_MX, o->wait_ms, &a);
	r->secure = a.secure;
	switch (a.outcome) {
	case DNS_FOUND:
		take_records(o, &a, r);
		break;
	case DNS_NODATA: /* the domain's own address is its mail host */
		r->outcome = ROUTE_HOSTS;
		r->hosts[0] = (struct route_host){ .port = o->port };
		(void)snprintf(
		    r->hosts[0].name, sizeof(r->hosts[0].name), "%s", domain);
		r->count = 1;
		break;
	case DNS_NXDOMAIN:
		end(r, ROUTE_NEVER, "550 5.1.2 There is no such domain");
		break;
	case DNS_BOGUS:
		end(r, ROUTE_LATER,
		    "451 4.7.10 The domain's DNSSEC signatures are wrong");
		break;
	case DNS_FAILED:
		end(r, ROUTE_LATER, "451 4.4.3 The DNS does not answer");
		break;
	}
	if (r->outcome == ROUTE_HOSTS)
		guard_loops(o, r);
}

/* Whether it is a domain of ours; false: *r says more, or nothing yet. */
static bool
is_local(const struct router_options *o, const char *domain, struct route *r)
{
	struct domain_info info;
	struct err err = ERR_INIT;

	r->outcome = ROUTE_HOSTS;
	if (o->tenants == NULL)
		return false;
	switch (tenants_domain(o->tenants, span_str(domain), &info, &err)) {
	case LOOKUP_FOUND:
		r->outcome = ROUTE_LOCAL;
		return true;
	case LOOKUP_NONE:
		return false;
	case LOOKUP_FAILED:
		break;
	}
	end(r, ROUTE_LATER, "451 4.3.0 Directory not available");
	return false;
}

void
route_find(
    const struct router_options *o, const char *domain, struct route *out)
{
	*out = (struct route){ .outcome = ROUTE_HOSTS };
	if (domain[0] == '[') {
		end(out, ROUTE_NEVER,
		    "550 5.1.2 Addresses in place of a domain are not used");
		return;
	}
	if (is_local(o, domain, out) || out->outcome == ROUTE_LATER ||
	    override(o, span_str(domain), out))
		return;
	find_mx(o, domain, out);
}

/* ---- addresses ---- */

static bool
private_4(const unsigned char *a)
{
	return a[0] == 0 || a[0] == 10 || a[0] == 127 || a[0] >= 224 ||
	       (a[0] == 100 && (a[1] & 0xc0) == 64) ||
	       (a[0] == 169 && a[1] == 254) ||
	       (a[0] == 172 && (a[1] & 0xf0) == 16) ||
	       (a[0] == 192 && a[1] == 168) ||
	       (a[0] == 198 && (a[1] & 0xfe) == 18);
}

bool
route_address_private(const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *six =
	    (const struct sockaddr_in6 *)(const void *)address;
	const struct sockaddr_in *four =
	    (const struct sockaddr_in *)(const void *)address;
	const unsigned char *a;

	if (address->ss_family == AF_INET)
		return private_4((const unsigned char *)&four->sin_addr);
	a = six->sin6_addr.s6_addr;
	if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
		return private_4(a + 12);
	return IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr) ||
	       IN6_IS_ADDR_LOOPBACK(&six->sin6_addr) || a[0] == 0xff ||
	       (a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
}

static void
put_address(const struct router_options *o, int family, const void *octets,
    uint16_t port, struct route_addresses *out)
{
	struct route_address *to = &out->items[out->count];
	struct sockaddr_in *four = (struct sockaddr_in *)(void *)&to->address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)&to->address;

	if (out->count == ROUTE_ADDRESSES_MAX)
		return;
	memset(to, 0, sizeof(*to));
	if (family == AF_INET) {
		four->sin_family = AF_INET;
		four->sin_port = htons(port);
		memcpy(&four->sin_addr, octets, 4);
		to->len = sizeof(*four);
	} else {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(port);
		memcpy(&six->sin6_addr, octets, 16);
		to->len = sizeof(*six);
	}
	(void)inet_ntop(family, octets, to->text, sizeof(to->text));
	if (!o->private_addresses && route_address_private(&to->address))
		out->refused = true;
	else
		out->count++;
}

static void
literal_address(const struct router_options *o, const struct route_host *host,
    struct route_addresses *out)
{
	unsigned char octets[16];

	if (inet_pton(AF_INET, host->name, octets) == 1)
		put_address(o, AF_INET, octets, host->port, out);
	else if (inet_pton(AF_INET6, host->name, octets) == 1)
		put_address(o, AF_INET6, octets, host->port, out);
}

void
route_addresses(const struct router_options *o, const struct route_host *host,
    struct route_addresses *out)
{
	CLEANUP(dns_answer_fini) struct dns_answer six = { .count = 0 };
	CLEANUP(dns_answer_fini) struct dns_answer four = { .count = 0 };

	*out = (struct route_addresses){ .count = 0 };
	if (host->literal) {
		literal_address(o, host, out);
		return;
	}
	dns_ask(o->dns, host->name, DNS_AAAA, o->wait_ms, &six);
	dns_ask(o->dns, host->name, DNS_A, o->wait_ms, &four);
	out->secure = six.secure && four.secure;
	out->failed = six.outcome >= DNS_FAILED || four.outcome >= DNS_FAILED;
	for (size_t i = 0; i < six.count || i < four.count; i++) {
		struct span record = dns_record(&six, i);

		if (record.len == 16)
			put_address(o, AF_INET6, record.p, host->port, out);
		record = dns_record(&four, i);
		if (record.len == 4)
			put_address(o, AF_INET, record.p, host->port, out);
	}
}
