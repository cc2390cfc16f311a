/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scanning for viruses, away from the milter.
 *
 *	milter ---- nursery ---- engine ---- scanner, scanner, ...
 *
 * The nursery is forked before the milter has threads and gives up the right
 * to fork.  It forks an engine when it is asked to: a process that loads the
 * signatures with libclamav, then forks scanners, which share its memory.
 * A scanner has no network, no file but its own scratch directory, and limits
 * of memory and CPU; the milter gives it one message at a time as a sealed
 * memfd.  One that dies or hangs is replaced.
 *
 * New signatures are loaded by a new engine beside the old one, whose
 * scanners go on until its successor has its own.  So scanning never pauses,
 * what cannot be loaded changes nothing, and for the time of the loading the
 * signatures are in memory twice.
 *
 * Packets between these processes are the structs below: it is one program.
 */
#ifndef HK_MILTERS_SCAN_H
#define HK_MILTERS_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/counters.h"
#include "common/err.h"
#include "common/span.h"

enum scan_result {
	SCAN_CLEAN,
	SCAN_INFECTED,    /* name: the signature's */
	SCAN_UNSCANNABLE, /* name: the limit, or what it is */
	SCAN_FAILED,      /* name: why */
};

#define SCAN_NAME_MAX 128

struct scan_answer {
	uint32_t result; /* enum scan_result */
	char name[SCAN_NAME_MAX];
};

struct scan_limits {
	uint64_t file_max;  /* octets of a message, or a file in it */
	uint64_t total_max; /* octets scanned in one message, unpacked */
	uint64_t depth_max, files_max;
	uint64_t time_ms;    /* of one message */
	uint64_t memory_max; /* octets of one scanner beside the signatures */
	uint64_t check_s;    /* how often the signatures are looked at */
	uint64_t scanners;
};

struct scan_options {
	const char *signatures; /* directory; absolute */
	const char *scratch; /* directory in which each scanner has its own */
	struct scan_limits limits;
	struct counters *counters;
};

/* ---- for the milter: scan_pool.c ------------------------------------------
 */

struct scan_pool;

/* Forks the nursery; no thread exists yet. */
int scan_pool_new(const struct scan_options *options,
    struct scan_pool **pool_out, struct err *err);
/* Begins to load signatures, on a thread of its own. */
int scan_pool_start(struct scan_pool *pool, struct err *err);
void scan_pool_free(struct scan_pool *pool);

/*
 * Scans what the memfd holds; from any thread.  Waits for a free scanner.
 * A scanner that does not answer is killed, and the answer is SCAN_FAILED.
 */
void scan_pool_scan(struct scan_pool *pool, int fd, uint64_t octets,
    struct scan_answer *answer_out);
/* Loads the signatures anew. */
void scan_pool_reload(struct scan_pool *pool);

/* ---- the processes --------------------------------------------------------
 */

enum scan_word {
	SCAN_LOAD = 1, /* milter to nursery: a new engine; it answers ENGINE */
	SCAN_ENGINE,   /* with a descriptor: talks to the engine */
	SCAN_READY,    /* engine: loaded, number signatures */
	SCAN_BROKEN,   /* engine: not loaded, text says why; it ends */
	SCAN_SCANNER,  /* engine: with a descriptor, scanner number */
	SCAN_CHANGED,  /* engine: other signatures are there */
	SCAN_KILL,     /* milter to engine: scanner number hangs */
	SCAN_TASK,     /* milter to scanner, with a memfd; number: its octets */
};

struct scan_packet {
	uint32_t version; /* SCAN_VERSION */
	uint32_t word;
	uint64_t number;
	char text[256];
};
#define SCAN_VERSION 1

int scan_send(int fd, enum scan_word word, uint64_t number, const char *text,
    int passed, struct err *err);
/* *passed_out is -1 without one.  timeout_ms < 0: waits for ever. */
int scan_recv(int fd, struct scan_packet *p, int *passed_out, int timeout_ms,
    struct err *err);

/* Runs until its peer is gone, then ends the process. */
void scan_nursery(int control, const struct scan_options *options)
    __attribute__((noreturn));
void scan_engine(int control, const struct scan_options *options)
    __attribute__((noreturn));

struct cl_engine;
/* The scanner, forked from an engine of so many octets of address space. */
void scan_worker(int control, struct cl_engine *engine, const char *scratch,
    const struct scan_limits *limits, uint64_t space) __attribute__((noreturn));

/*
 * A number for the files of a directory: names, sizes and times.  It changes
 * when one is added, changed, replaced or removed.
 */
int scan_fingerprint(
    const char *directory, uint64_t *fingerprint_out, struct err *err);

/* ---- an existing clamd: scan_clamd.c --------------------------------------
 */

void scan_clamd(
    const char *path, uint64_t time_ms, int fd, struct scan_answer *answer_out);
/* What clamd answers: "fd[10]: Name FOUND". */
void scan_clamd_answer(struct span line, struct scan_answer *answer_out);
/* Sorts a signature's name: limits and encryption are no infection. */
void scan_name(struct span name, struct scan_answer *answer_out);

#endif
