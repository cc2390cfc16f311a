/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "common/conf_confuse.h"
#include "common/conf_value.h"

static int
titled_fill(struct conf_titled_list *list, cfg_t *cfg,
    const struct conf_outline *outline, const char *file, struct err *err)
{
	struct conf_titled *item = &list->items[list->len];
	const char *title = cfg_title(cfg);

	if (strlen(title) >= sizeof(item->name))
		return err_set(err, ERR_SYNTAX,
		    "%s: %s: a name of %zu octets; expected at most %zu", file,
		    list->section->name, strlen(title), sizeof(item->name) - 1);
	item->values = calloc(1, list->section->size);
	if (item->values == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	(void)snprintf(item->name, sizeof(item->name), "%s", title);
	list->len++;
	return conf_fill_all(
	    list->section, cfg, outline, title, file, item->values, err);
}

/* With libconfuse's lock held. */
static int
titled_fill_all(struct conf_titled_list *list,
    const struct conf_outline *outline, const char *file, struct err *err)
{
	const struct conf_section *section = list->section;
	CLEANUP(mem_free)
	cfg_opt_t *opts = calloc(section->keys_len + 1, sizeof(*opts));
	CLEANUP(confuse_free) cfg_t *cfg = NULL;
	unsigned len;

	if (opts == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	confuse_options(section, opts);

	cfg_opt_t top[] = {
		CFG_SEC(section->name, opts, CFGF_MULTI | CFGF_TITLE), CFG_END()
	};

	if (confuse_parse(top, outline, file, &cfg, err) == -1)
		return -1;
	len = cfg_size(cfg, section->name);
	list->items = calloc(len + 1, sizeof(*list->items));
	if (list->items == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	for (unsigned i = 0; i < len; i++) {
		if (titled_fill(list, cfg_getnsec(cfg, section->name, i),
			outline, file, err) == -1)
			return -1;
	}
	return 0;
}

int
conf_titled_parse(const struct conf_section *section, struct span text,
    const char *file, struct conf_titled_list *out, struct err *err)
{
	CLEANUP(mem_free)
	struct conf_outline *outline = malloc(sizeof(*outline));
	int result;

	*out = (struct conf_titled_list){ .section = section };
	if (outline == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	result = conf_outline_init(outline, text, file, section->name, err);
	if (result == 0)
		result = conf_check_settings(section, outline, file, err);
	if (result == 0) {
		confuse_lock();
		result = titled_fill_all(out, outline, file, err);
		confuse_unlock();
	}
	conf_outline_fini(outline);
	if (result == -1)
		conf_titled_fini(out);
	return result;
}

void
conf_titled_fini(struct conf_titled_list *list)
{
	for (size_t i = 0; i < list->len; i++) {
		conf_section_fini(list->section, list->items[i].values);
		free(list->items[i].values);
	}
	free(list->items);
	list->items = NULL;
	list->len = 0;
}

const void *
conf_titled_find(const struct conf_titled_list *list, const char *name)
{
	for (size_t i = 0; i < list->len; i++) {
		if (strcmp(list->items[i].name, name) == 0)
			return list->items[i].values;
	}
	return NULL;
}

void
conf_titled_print(const struct conf_titled_list *list, struct buf *out)
{
	const struct conf_section *section = list->section;

	for (size_t i = 0; i < list->len; i++) {
		for (size_t k = 0; k < section->keys_len; k++) {
			buf_append_fmt(
			    out, "%s %s: ", section->name, list->items[i].name);
			conf_value_format(
			    &section->keys[k], list->items[i].values, out);
		}
	}
}
