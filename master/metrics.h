/* SPDX-License-Identifier: BSD-2-Clause */
/* The counters as Prometheus text; metricsd brings it to HTTP. */
#ifndef HK_MASTER_METRICS_H
#define HK_MASTER_METRICS_H

#include "master/master.h"

/* A sealed memfd with the text. */
int metrics_memfd(struct master *m, int *fd_out, struct err *err);

#endif
