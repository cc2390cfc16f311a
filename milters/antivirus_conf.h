/* SPDX-License-Identifier: BSD-2-Clause */
/* Section "antivirus" of the configuration. */
#ifndef HK_MILTERS_ANTIVIRUS_CONF_H
#define HK_MILTERS_ANTIVIRUS_CONF_H

#include <stdint.h>

#include "common/conf.h"
#include "common/err.h"

enum antivirus_engine {
	ENGINE_LIBCLAMAV,
	ENGINE_CLAMD
};

struct antivirus_conf {
	unsigned engine; /* enum antivirus_engine */
	char *clamd_socket;
	char *signatures;                /* directory */
	char *scratch;                   /* likewise */
	uint64_t scanners;               /* 0: one for each processor */
	uint64_t message_max, total_max; /* octets */
	uint64_t depth_max, files_max;
	uint64_t scan_wait;  /* seconds */
	uint64_t memory_max; /* octets */
	uint64_t check_wait; /* seconds */
};

extern const struct conf_section antivirus_section;

/* Paths that are none. */
int antivirus_conf_check(const void *section, struct err *err);

#endif
