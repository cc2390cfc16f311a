/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ways to make a batch of new messages durable, as a placer does: write files
 * into tmp/ of many Maildirs, flush the batch, rename into new/, flush again.
 *
 *	flush_batch DIRECTORY [SECONDS]
 *
 * prints a table of placements a second by way, threads and batch.
 *
 *	each	fsync of each file and directory, one after the other
 *	two	sync_file_range begins them all, then fsync of each
 *	uring	all fsyncs of a step at once, by io_uring
 *	syncfs	one syncfs a step (the next batch's serves the renames too)
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAILBOXES 500
#define MESSAGE 4096
#define BATCH_MAX 128

enum way {
	EACH,
	TWO,
	URING,
	SYNCFS,
	WAYS
};
static const char *const way_names[] = { "each", "two", "uring", "syncfs" };

struct ring {
	int fd;
	_Atomic unsigned *sq_tail, *cq_head, *cq_tail;
	unsigned *sq_array, sq_mask, cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

struct worker {
	int top; /* directory of the mailboxes */
	enum way way;
	unsigned number, batch;
	double seconds;
	uint64_t placed;
	struct ring ring;
};

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- io_uring by hand: a queue of fsyncs ---- */

static void
ring_init(struct ring *r)
{
	struct io_uring_params p = { 0 };
	char *sq, *cq;
	size_t sq_len, cq_len;

	r->fd = (int)syscall(SYS_io_uring_setup, 2 * BATCH_MAX, &p);
	if (r->fd == -1)
		err(1, "io_uring_setup");
	sq_len = p.sq_off.array + p.sq_entries * sizeof(unsigned);
	cq_len = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	sq = mmap(NULL, sq_len, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
	    IORING_OFF_SQ_RING);
	cq = mmap(NULL, cq_len, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
	    IORING_OFF_CQ_RING);
	r->sqes = mmap(NULL, p.sq_entries * sizeof(struct io_uring_sqe),
	    PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || r->sqes == MAP_FAILED)
		err(1, "map a ring");
	r->sq_tail = (void *)(sq + p.sq_off.tail);
	r->sq_mask = *(unsigned *)(void *)(sq + p.sq_off.ring_mask);
	r->sq_array = (void *)(sq + p.sq_off.array);
	r->cq_head = (void *)(cq + p.cq_off.head);
	r->cq_tail = (void *)(cq + p.cq_off.tail);
	r->cq_mask = *(unsigned *)(void *)(cq + p.cq_off.ring_mask);
	r->cqes = (void *)(cq + p.cq_off.cqes);
}

static void
ring_fsync(struct ring *r, const int *fds, unsigned count)
{
	unsigned tail = atomic_load(r->sq_tail), head;

	for (unsigned i = 0; i < count; i++, tail++) {
		struct io_uring_sqe *sqe = &r->sqes[tail & r->sq_mask];

		memset(sqe, 0, sizeof(*sqe));
		sqe->opcode = IORING_OP_FSYNC;
		sqe->fd = fds[i];
		r->sq_array[tail & r->sq_mask] = tail & r->sq_mask;
	}
	atomic_store(r->sq_tail, tail);
	if (syscall(SYS_io_uring_enter, r->fd, count, count,
		IORING_ENTER_GETEVENTS, NULL, 0) != count)
		err(1, "io_uring_enter");
	for (head = atomic_load(r->cq_head); count > 0; count--, head++)
		if (r->cqes[head & r->cq_mask].res != 0)
			errx(1, "fsync by io_uring failed");
	atomic_store(r->cq_head, head);
}

/* ---- one batch ---- */

struct placed {
	int box, tmp, new, file;
	char name[48];
};

static void
flush_files(struct worker *w, const int *fds, unsigned count, bool files)
{
	if (w->way == SYNCFS) {
		if (syncfs(w->top) == -1)
			err(1, "syncfs");
		return;
	}
	if (w->way == URING) {
		ring_fsync(&w->ring, fds, count);
		return;
	}
	for (unsigned i = 0; w->way == TWO && files && i < count; i++)
		(void)sync_file_range(fds[i], 0, 0, SYNC_FILE_RANGE_WRITE);
	for (unsigned i = 0; i < count; i++)
		if (fsync(fds[i]) == -1)
			err(1, "fsync");
}

static void
write_one(struct worker *w, struct placed *p, const char *message)
{
	static atomic_uint serial;
	char path[64];

	(void)snprintf(
	    path, sizeof(path), "%u", (unsigned)random() % MAILBOXES);
	p->box = openat(w->top, path, O_PATH | O_DIRECTORY);
	p->tmp = openat(p->box, "tmp", O_RDONLY | O_DIRECTORY);
	p->new = openat(p->box, "new", O_RDONLY | O_DIRECTORY);
	(void)snprintf(p->name, sizeof(p->name), "%ld.M%uP%d", (long)time(NULL),
	    atomic_fetch_add(&serial, 1), (int)getpid());
	p->file = openat(p->tmp, p->name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (p->file == -1 || p->new == -1 ||
	    write(p->file, message, MESSAGE) != MESSAGE)
		err(1, "write a message");
}

static void
place_batch(struct worker *w, const char *message)
{
	struct placed placed[BATCH_MAX];
	int fds[2 * BATCH_MAX];

	for (unsigned i = 0; i < w->batch; i++) {
		write_one(w, &placed[i], message);
		fds[i] = placed[i].file;
	}
	flush_files(w, fds, w->batch, true);
	/* The names in tmp/, strictly, too: free where a journal has them. */
	for (unsigned i = 0; i < w->batch; i++)
		fds[i] = placed[i].tmp;
	if (w->way != SYNCFS)
		flush_files(w, fds, w->batch, false);
	for (unsigned i = 0; i < w->batch; i++)
		if (renameat(placed[i].tmp, placed[i].name, placed[i].new,
			placed[i].name) == -1)
			err(1, "rename");
	for (unsigned i = 0; i < w->batch; i++)
		fds[i] = placed[i].new;
	if (w->way != SYNCFS)
		flush_files(w, fds, w->batch, false);
	for (unsigned i = 0; i < w->batch; i++) {
		(void)close(placed[i].file);
		(void)close(placed[i].tmp);
		(void)close(placed[i].new);
		(void)close(placed[i].box);
	}
	w->placed += w->batch;
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	char message[MESSAGE];
	double until = now() + w->seconds;

	memset(message, 'x', sizeof(message));
	if (w->way == URING)
		ring_init(&w->ring);
	while (now() < until)
		place_batch(w, message);
	if (w->way == SYNCFS && syncfs(w->top) == -1)
		err(1, "syncfs");
	if (w->way == URING)
		(void)close(w->ring.fd);
	return NULL;
}

static double
measure(int top, enum way way, unsigned threads, unsigned batch, double seconds)
{
	struct worker workers[16];
	pthread_t ids[16];
	double start = now();
	uint64_t placed = 0;

	for (unsigned i = 0; i < threads; i++) {
		workers[i] = (struct worker){ .top = top,
			.way = way,
			.number = i,
			.batch = batch,
			.seconds = seconds };
		if (pthread_create(&ids[i], NULL, work, &workers[i]) != 0)
			errx(1, "no thread");
	}
	for (unsigned i = 0; i < threads; i++) {
		(void)pthread_join(ids[i], NULL);
		placed += workers[i].placed;
	}
	return (double)placed / (now() - start);
}

static int
make_mailboxes(const char *directory)
{
	char path[64];
	int top = open(directory, O_RDONLY | O_DIRECTORY);

	if (top == -1)
		err(1, "%s", directory);
	for (unsigned i = 0; i < MAILBOXES; i++) {
		static const char *const parts[] = { "", "/tmp", "/new" };

		for (unsigned k = 0; k < 3; k++) {
			(void)snprintf(path, sizeof(path), "%u%s", i, parts[k]);
			if (mkdirat(top, path, 0700) == -1 && errno != EEXIST)
				err(1, "mkdir %s", path);
		}
	}
	return top;
}

int
main(int argc, char **argv)
{
	static const unsigned threads[] = { 1, 2, 4 },
			      batches[] = { 1, 8, 32, 128 };
	double seconds = argc > 2 ? atof(argv[2]) : 2;
	int top;

	if (argc < 2)
		errx(2, "usage: flush_batch DIRECTORY [SECONDS]");
	top = make_mailboxes(argv[1]);
	(void)printf("| way | threads | batch 1 | 8 | 32 | 128 |\n"
		     "|---|---|---|---|---|---|\n");
	for (unsigned t = 0; t < 3; t++)
		for (enum way way = EACH; way < WAYS; way++) {
			(void)printf("| %s | %u ", way_names[way], threads[t]);
			for (unsigned b = 0; b < 4; b++) {
				(void)printf(
				    "| %.0f ", measure(top, way, threads[t],
						   batches[b], seconds));
				(void)fflush(stdout);
			}
			(void)printf("|\n");
		}
	return 0;
}
