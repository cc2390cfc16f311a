/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locals that clean themselves up.
 *
 *	CLEANUP(conf_free) struct conf *conf = ...;   pointer: conf_free(conf)
 *	CLEANUP(buf_fini) struct buf text;            value: buf_fini(&text)
 *	*out = STEAL(conf);                           success hands it over
 *
 * A function f becomes usable as CLEANUP(f) by one of the DEFINE lines
 * below, next to its declaration.
 */
#ifndef HK_COMMON_CLEANUP_H
#define HK_COMMON_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(f) __attribute__((cleanup(f##_cleanup)))

/* For f(type *p) that frees a heap object and accepts NULL. */
#define CLEANUP_DEFINE_PTR(type, f)                                            \
	static inline void f##_cleanup(type **p)                               \
	{                                                                      \
		f(*p);                                                         \
	}

/* For f(type *p) that empties storage which the caller owns. */
#define CLEANUP_DEFINE_VALUE(type, f)                                          \
	static inline void f##_cleanup(type *p)                                \
	{                                                                      \
		f(p);                                                          \
	}

#define STEAL(ptr)                                                             \
	({                                                                     \
		__typeof__(ptr) steal_ = (ptr);                                \
		(ptr) = NULL;                                                  \
		steal_;                                                        \
	})

/* A descriptor: closed when it is not -1.  fd_steal hands it over. */
static inline void
fd_close(int fd)
{
	if (fd != -1)
		(void)close(fd);
}
static inline void
fd_close_cleanup(int *fd)
{
	fd_close(*fd);
}
static inline int
fd_steal(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static inline void
mem_free(void *p)
{
	free(p);
}
static inline void
mem_free_cleanup(void *p)
{
	free(*(void **)p);
}

#endif
