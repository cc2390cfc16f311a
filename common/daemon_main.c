/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>

#include "common/daemon.h"
#include "common/log.h"

/* Of a daemon whose section names no limit. */
#define CONNS_MAX 100000

struct running {
	const struct daemon_program *program;
	void *state;
};

static void
run_reload(struct daemon *d, void *arg)
{
	struct running *running = arg;

	if (running->program->reload != NULL)
		running->program->reload(d, running->state);
}

static int
run_reactor(struct daemon *d, struct running *running, struct err *err)
{
	const struct daemon_program *program = running->program;
	unsigned workers = (unsigned)daemon_conf(d)->workers;
	struct reactor_options options = {
		.workers = workers,
		/* One brand never takes the whole pool. */
		.tenant_workers = workers > 1 ? workers - workers / 4 : 1,
		.conns_max = program->conns_max == NULL
				 ? CONNS_MAX
				 : program->conns_max(daemon_section(d)),
	};
	CLEANUP(reactor_free) struct reactor *r = NULL;
	int result;

	if (reactor_new(&options, &r, err) == -1)
		return -1;
	result = program->start == NULL
		     ? 0
		     : program->start(d, r, running->state, err);
	if (result == 0)
		result = daemon_attach(d, r, run_reload, running, err);
	if (result == 0)
		result = reactor_run(r, err);
	if (program->finish != NULL)
		program->finish(running->state);
	return result;
}

int
daemon_main(int argc, char **argv, const struct daemon_program *program)
{
	CLEANUP(daemon_free) struct daemon *d = NULL;
	CLEANUP(mem_free) void *state = calloc(1, program->size + 1);
	struct running running = { program, state };
	struct err err = ERR_INIT;
	int result = 0;

	if (state == NULL ||
	    daemon_init(argc, argv, &program->spec, &d, &err) == -1) {
		log_error(&log_process, "start failed", log_err(&err));
		return 1;
	}
	if (program->prepare != NULL)
		result = program->prepare(d, state, &err);
	if (result == 0)
		result = run_reactor(d, &running, &err);
	if (program->stop != NULL)
		program->stop(state);
	if (result == -1)
		log_error(&log_process, "daemon ends", log_err(&err));
	else
		log_info(&log_process, "daemon ends");
	return result == 0 ? 0 : 1;
}
