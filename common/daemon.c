/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/daemon.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/daemon_conf.h"
#include "common/daemon_private.h"
#include "common/file.h"
#include "common/log.h"

struct options {
	const char *file;
	bool check, print, input;
	const char *role, *tenant, *shard;
};

static void __attribute__((noreturn)) usage(const char *name)
{
	(void)fprintf(stderr,
	    "usage: %s [-iknpV] [-c file]\n"
	    "%s is started by hikyakud(8).\n",
	    name, name);
	exit(2);
}

/* ---- what -n, -p and -k do --------------------------------------------------
 */

int
daemon_check(const struct daemon_spec *spec, const void *section,
    const struct conf_titled_list *titled, struct err *err)
{
	if (spec->check != NULL && spec->check(section, err) == -1)
		return -1;
	return spec->check_titled == NULL
		   ? 0
		   : spec->check_titled(section, titled, err);
}

static int
check_text(const struct daemon_spec *spec, const struct options *o,
    struct span text, void *section, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = { .max = 0 };
	struct conf_titled_list titled = { .section = spec->titled };
	int result;

	buf_init(&out, 1 << 20);
	if (spec->titled != NULL &&
	    conf_titled_parse(spec->titled, text, o->file, &titled, err) == -1)
		return -1;
	result = daemon_check(spec, section, &titled, err);
	if (result == -1)
		(void)err_prefix(err, "%s: %s", o->file, spec->name);
	if (result == 0 && o->print) {
		conf_print(spec->conf, section, &out);
		if (spec->titled != NULL)
			conf_titled_print(&titled, &out);
		(void)fputs(buf_str(&out), stdout);
	}
	if (spec->titled != NULL)
		conf_titled_fini(&titled);
	return result;
}

static int
check_file(
    const struct daemon_spec *spec, const struct options *o, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = { .max = 0 };
	CLEANUP(mem_free) void *section = calloc(1, spec->conf->size);
	int result;

	buf_init(&text, 1 << 20);
	if (section == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	if ((o->input ? file_read_fd(0, &text, err)
		      : file_read(o->file, &text, err)) == -1 ||
	    conf_parse(spec->conf, buf_span(&text), o->file, section, err) ==
		-1)
		return -1;
	result = check_text(spec, o, buf_span(&text), section, err);
	conf_section_fini(spec->conf, section);
	return result;
}

static void __attribute__((noreturn)) print_keys(const struct daemon_spec *spec)
{
	CLEANUP(buf_fini) struct buf out = { .max = 0 };

	buf_init(&out, 1 << 20);
	conf_print_keys(spec->conf, &out);
	if (spec->titled != NULL)
		conf_print_keys(spec->titled, &out);
	(void)fputs(buf_str(&out), stdout);
	exit(0);
}

/* Reads the options; those that only print end the process here. */
static void
parse_options(
    int argc, char **argv, const struct daemon_spec *spec, struct options *o)
{
	static const struct option longs[] = {
		{ "role", required_argument, NULL, 'R' },
		{ "tenant", required_argument, NULL, 'T' },
		{ "shard", required_argument, NULL, 'S' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	*o = (struct options){ .file = HK_SYSCONFDIR "/hikyaku/hikyaku.conf" };
	while ((c = getopt_long(argc, argv, "c:iknpV", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->file = optarg;
			break;
		case 'i':
			o->input = true;
			break;
		case 'k':
			print_keys(spec);
		case 'n':
			o->check = true;
			break;
		case 'p':
			o->print = true;
			break;
		case 'V':
			(void)printf("%s %s\n", spec->name, PACKAGE_VERSION);
			exit(0);
		case 'R':
			o->role = optarg;
			break;
		case 'T':
			o->tenant = optarg;
			break;
		case 'S':
			o->shard = optarg;
			break;
		default:
			usage(spec->name);
		}
	}
	if (optind != argc)
		usage(spec->name);
	if (o->check || o->print) {
		struct err err = ERR_INIT;

		if (check_file(spec, o, &err) == 0)
			exit(0);
		(void)fprintf(stderr, "%s%s%s\n", err.text,
		    err.os == 0 ? "" : ": ",
		    err.os == 0 ? "" : strerror(err.os));
		exit(1);
	}
}

/* ---- start ------------------------------------------------------------------
 */

static int
take_role(struct daemon *d, const struct options *o, struct err *err)
{
	uint64_t shard = 0;

	if (o->role == NULL)
		d->role = DAEMON_ONLY;
	else if (strcmp(o->role, "gate") == 0)
		d->role = DAEMON_GATE;
	else if (strcmp(o->role, "session") == 0)
		d->role = DAEMON_SESSION;
	else
		return err_set(err, ERR_SYNTAX,
		    "--role=%s; expected gate or session", o->role);
	if ((d->role == DAEMON_SESSION) != (o->tenant != NULL))
		return err_set(
		    err, ERR_SYNTAX, "--tenant belongs to --role=session");
	if (o->tenant != NULL &&
	    !packet_text(span_str(o->tenant), d->tenant, sizeof(d->tenant)))
		return err_set(err, ERR_SYNTAX, "--tenant is too long");
	if (o->shard != NULL &&
	    (!span_to_u64(span_str(o->shard), &shard) || shard > 63))
		return err_set(
		    err, ERR_SYNTAX, "--shard=%s; expected 0 to 63", o->shard);
	d->shard = (unsigned)shard;
	return 0;
}

int
daemon_init(int argc, char **argv, const struct daemon_spec *spec,
    struct daemon **d_out, struct err *err)
{
	CLEANUP(daemon_free) struct daemon *d = NULL;
	struct options o;

	parse_options(argc, argv, spec, &o);
	(void)signal(SIGPIPE, SIG_IGN);
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	d->spec = *spec;
	d->control_fd = d->counters_fd = -1;
	d->listen_fd = DAEMON_CONTROL_FD;
	buf_init(&d->room, PACKET_MAX);
	(void)pthread_mutex_init(&d->lock, NULL);
	(void)pthread_cond_init(&d->changed, NULL);
	d->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->wake_fd == -1)
		return err_sys(err, "eventfd");
	if (take_role(d, &o, err) == -1 || daemon_control_start(d, err) == -1)
		return -1;
	*d_out = STEAL(d);
	return 0;
}

int
daemon_attach(struct daemon *d, struct reactor *r,
    void (*reload)(struct daemon *d, void *arg), void *arg, struct err *err)
{
	d->reactor = r;
	d->reload = reload;
	d->reload_arg = arg;
	return daemon_control_thread(d, err);
}

void
daemon_free(struct daemon *d)
{
	if (d == NULL)
		return;
	daemon_control_end(d);
	daemon_listeners_free(d);
	counters_unmap(d->counters);
	fd_close(d->counters_fd);
	fd_close(d->wake_fd);
	daemon_settings_free(d);
	buf_fini(&d->room);
	(void)pthread_cond_destroy(&d->changed);
	(void)pthread_mutex_destroy(&d->lock);
	free(d);
}

/* ---- what it knows
 * ----------------------------------------------------------- */

static const struct daemon_settings *
settings(const struct daemon *d)
{
	return atomic_load(&d->settings);
}

enum daemon_role
daemon_role(const struct daemon *d)
{
	return d->role;
}

const char *
daemon_tenant_name(const struct daemon *d)
{
	return d->tenant;
}

const struct daemon_conf *
daemon_conf(const struct daemon *d)
{
	return &settings(d)->top;
}

const struct daemon_tls_conf *
daemon_tls_conf(const struct daemon *d)
{
	return &settings(d)->tls;
}

const void *
daemon_section(const struct daemon *d)
{
	return settings(d)->section;
}

const struct conf_titled_list *
daemon_titled(const struct daemon *d)
{
	return &atomic_load(&d->settings)->titled;
}

struct counters *
daemon_counters(const struct daemon *d)
{
	return d->counters;
}

struct span
daemon_tls_pem(const struct daemon *d)
{
	struct span all = buf_span(&settings(d)->tls_material);

	return span_from(all, TLS_TICKET_SECRET_LEN);
}

struct span
daemon_ticket_secret(const struct daemon *d)
{
	struct span all = buf_span(&settings(d)->tls_material);

	return span_first(all, TLS_TICKET_SECRET_LEN);
}

size_t
daemon_listeners(
    const struct daemon *d, const struct daemon_listener **listeners_out)
{
	*listeners_out = d->listeners;
	return d->listeners_len;
}

unsigned
daemon_shard_own(const struct daemon *d)
{
	return d->shard;
}

unsigned
daemon_shard(const struct daemon *d, const char *account_id)
{
	/* FNV-1a; it only has to spread, and to stay the same for ever. */
	uint64_t hash = 0xcbf29ce484222325;

	for (const char *p = account_id; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 0x100000001b3;
	return (unsigned)(hash % d->shards);
}
