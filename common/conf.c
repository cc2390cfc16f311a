/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/conf.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf_confuse.h"
#include "common/conf_outline.h"
#include "common/conf_value.h"

/*
 * libconfuse's scanner keeps its state in globals of its own, so only one
 * thread may be in it.
 */
static pthread_mutex_t confuse_mutex = PTHREAD_MUTEX_INITIALIZER;

void
confuse_lock(void)
{
	(void)pthread_mutex_lock(&confuse_mutex);
}

void
confuse_unlock(void)
{
	(void)pthread_mutex_unlock(&confuse_mutex);
}

/* The outline has found every error by now, in better words. */
static void
confuse_error(cfg_t *cfg, const char *format, va_list args)
{
	(void)cfg;
	(void)format;
	(void)args;
}

void
confuse_free(cfg_t *cfg)
{
	if (cfg != NULL)
		(void)cfg_free(cfg);
}

/* Every value is a text to libconfuse: units and ranges are ours. */
void
confuse_options(const struct conf_section *section, cfg_opt_t *opts)
{
	size_t i;

	for (i = 0; i < section->keys_len; i++) {
		const struct conf_key *k = &section->keys[i];
		cfg_opt_t text = CFG_STR(k->name, NULL, CFGF_NODEFAULT);
		cfg_opt_t list = CFG_STR_LIST(k->name, NULL, CFGF_NODEFAULT);

		opts[i] = k->type == CONF_TYPE_STRINGS ? list : text;
	}
	opts[i] = (cfg_opt_t)CFG_END();
}

int
confuse_parse(cfg_opt_t *opts, const struct conf_outline *outline,
    const char *file, cfg_t **cfg_out, struct err *err)
{
	CLEANUP(confuse_free) cfg_t *cfg = cfg_init(opts, CFGF_NONE);

	if (cfg == NULL)
		return err_set(err, ERR_TEMP, "cfg_init: out of memory");
	(void)cfg_set_error_function(cfg, confuse_error);
	if (cfg_parse_buf(cfg, buf_str(&outline->text)) != CFG_SUCCESS)
		return err_set(
		    err, ERR_SYNTAX, "%s: libconfuse refuses it", file);
	*cfg_out = STEAL(cfg);
	return 0;
}

static int
conf_unknown_key(const struct conf_section *section,
    const struct conf_setting *s, const char *file, struct err *err)
{
	CLEANUP(buf_fini) struct buf names = { .max = 0 };

	buf_init(&names, 4096);
	for (size_t i = 0; i < section->keys_len; i++)
		buf_append_fmt(
		    &names, "%s%s", i > 0 ? ", " : "", section->keys[i].name);
	return err_set(err, ERR_SYNTAX,
	    "%s:%u: %s%s%.*s: no such key; expected one of %s", file, s->line,
	    section->name == NULL ? "" : section->name,
	    section->name == NULL ? "" : " ", SPAN_FMT(span_first(s->name, 40)),
	    buf_str(&names));
}

int
conf_check_settings(const struct conf_section *section,
    const struct conf_outline *outline, const char *file, struct err *err)
{
	for (size_t i = 0; i < outline->settings_len; i++) {
		const struct conf_setting *s = &outline->settings[i];
		const struct conf_key *key = NULL;

		for (size_t k = 0; k < section->keys_len && key == NULL; k++)
			if (span_eq(s->name, span_str(section->keys[k].name)))
				key = &section->keys[k];
		if (key == NULL)
			return conf_unknown_key(section, s, file, err);
		if ((s->list || s->append) && key->type != CONF_TYPE_STRINGS)
			return err_set(err, ERR_SYNTAX,
			    "%s:%u: %s: a list; expected one value", file,
			    s->line, key->name);
	}
	return 0;
}

/* Fills one key's field from what libconfuse read, or from its default. */
static int
conf_fill(const struct conf_key *key, cfg_opt_t *opt, void *out, char *why,
    size_t why_size, struct err *err)
{
	if (key->type == CONF_TYPE_STRINGS) {
		for (unsigned i = 0; i < cfg_opt_size(opt); i++)
			if (conf_strings_add(conf_field(key, out),
				cfg_opt_getnstr(opt, i), err) == -1)
				return -1;
		return 0;
	}
	if (cfg_opt_size(opt) > 0)
		return conf_value_parse(
		    key, cfg_opt_getnstr(opt, 0), out, why, why_size, err);
	if (key->fallback == NULL)
		return 0;
	return conf_value_parse(key, key->fallback, out, why, why_size, err);
}

int
conf_fill_all(const struct conf_section *section, cfg_t *cfg,
    const struct conf_outline *outline, const char *title, const char *file,
    void *out, struct err *err)
{
	for (size_t i = 0; i < section->keys_len; i++) {
		const struct conf_key *key = &section->keys[i];
		char why[160] = "";

		if (conf_fill(key, cfg_getopt(cfg, key->name), out, why,
			sizeof(why), err) == 0)
			continue;
		if (why[0] == '\0')
			return -1;
		return err_set(err, ERR_SYNTAX, "%s:%u: %s: %s", file,
		    conf_outline_line(outline, title, key->name), key->name,
		    why);
	}
	return 0;
}

/* With the lock held. */
static int
conf_parse_locked(const struct conf_section *section,
    const struct conf_outline *outline, const char *file, void *out,
    struct err *err)
{
	CLEANUP(mem_free)
	cfg_opt_t *opts = calloc(section->keys_len + 1, sizeof(*opts));
	CLEANUP(confuse_free) cfg_t *cfg = NULL;
	cfg_t *inner;

	if (opts == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	confuse_options(section, opts);
	if (section->name == NULL) {
		if (confuse_parse(opts, outline, file, &cfg, err) == -1)
			return -1;
		inner = cfg;
	} else {
		cfg_opt_t top[] = { CFG_SEC(section->name, opts, CFGF_NONE),
			CFG_END() };

		if (confuse_parse(top, outline, file, &cfg, err) == -1)
			return -1;
		inner = cfg_getsec(cfg, section->name);
	}
	return conf_fill_all(section, inner, outline, NULL, file, out, err);
}

int
conf_parse(const struct conf_section *section, struct span text,
    const char *file, void *out, struct err *err)
{
	CLEANUP(mem_free) struct conf_outline *room = malloc(sizeof(*room));
	int result;

	if (room == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	if (conf_outline_init(room, text, file, section->name, err) == -1 ||
	    conf_check_settings(section, room, file, err) == -1) {
		conf_outline_fini(room);
		return -1;
	}
	confuse_lock();
	result = conf_parse_locked(section, room, file, out, err);
	confuse_unlock();
	conf_outline_fini(room);
	if (result == -1)
		conf_section_fini(section, out);
	return result;
}

void
conf_section_fini(const struct conf_section *section, void *out)
{
	for (size_t i = 0; i < section->keys_len; i++)
		conf_value_fini(&section->keys[i], out);
}

void
conf_print(
    const struct conf_section *section, const void *values, struct buf *out)
{
	for (size_t i = 0; i < section->keys_len; i++)
		conf_value_format(&section->keys[i], values, out);
}

void
conf_print_keys(const struct conf_section *section, struct buf *out)
{
	for (size_t i = 0; i < section->keys_len; i++) {
		if (section->name != NULL)
			buf_append_fmt(out, "%s ", section->name);
		buf_append_fmt(out, "%s\n", section->keys[i].name);
	}
}
