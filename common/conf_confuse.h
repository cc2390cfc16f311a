/* SPDX-License-Identifier: BSD-2-Clause */
/* How conf*.c talk to libconfuse; nobody else does. */
#ifndef HK_COMMON_CONF_CONFUSE_H
#define HK_COMMON_CONF_CONFUSE_H

#include <confuse.h>

#include "common/cleanup.h"
#include "common/conf.h"
#include "common/conf_outline.h"

/* libconfuse's scanner has globals: hold this around all calls into it. */
void confuse_lock(void);
void confuse_unlock(void);

/* Parses the outline's text.  Free with confuse_free, also before opts. */
int confuse_parse(cfg_opt_t *opts, const struct conf_outline *outline,
    const char *file, cfg_t **cfg_out, struct err *err);
void confuse_free(cfg_t *cfg);
CLEANUP_DEFINE_PTR(cfg_t, confuse_free)

/* A section's options; opts has room for one more than it has keys. */
void confuse_options(const struct conf_section *section, cfg_opt_t *opts);
/* Fills the section's struct from what libconfuse read.  title: its, or NULL.
 */
int conf_fill_all(const struct conf_section *section, cfg_t *cfg,
    const struct conf_outline *outline, const char *title, const char *file,
    void *out, struct err *err);

/* Keys that the section's table does not have, lists where none belongs. */
int conf_check_settings(const struct conf_section *section,
    const struct conf_outline *outline, const char *file, struct err *err);

#endif
