/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/login_link.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A platform has some hundreds of (tenant, shard) pairs. */
#define LINK_BUCKETS 256

struct login_link {
	struct login_link *next;
	char tenant[64];
	unsigned shard;
	int fd;
	unsigned refs; /* one more while it is in the table */
	bool kept;     /* in the table */
};

struct login_links {
	struct login_links_options options;
	pthread_mutex_t mutex; /* guards buckets, and refs and kept of links */
	struct login_link *buckets[LINK_BUCKETS];
};

int
login_links_new(const struct login_links_options *options,
    struct login_links **links_out, struct err *err)
{
	struct login_links *links = calloc(1, sizeof(*links));

	if (links == NULL)
		return err_sys(err, "sockets to session processes");
	links->options = *options;
	(void)pthread_mutex_init(&links->mutex, NULL);
	*links_out = links;
	return 0;
}

static void
link_free(struct login_link *link)
{
	fd_close(link->fd);
	free(link);
}

void
login_links_free(struct login_links *links)
{
	if (links == NULL)
		return;
	for (size_t i = 0; i < LINK_BUCKETS; i++) {
		struct login_link *link = links->buckets[i], *next;

		for (; link != NULL; link = next) {
			next = link->next;
			link_free(link);
		}
	}
	(void)pthread_mutex_destroy(&links->mutex);
	free(links);
}

static struct login_link **
bucket_of(struct login_links *links, const char *tenant, unsigned shard)
{
	uint32_t hash = 2166136261u ^ shard; /* FNV-1a */

	for (const char *p = tenant; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619u;
	return &links->buckets[hash % LINK_BUCKETS];
}

/* The mutex is held. */
static struct login_link *
link_find(struct login_links *links, const char *tenant, unsigned shard)
{
	struct login_link *link = *bucket_of(links, tenant, shard);

	while (link != NULL &&
	       (link->shard != shard || strcmp(link->tenant, tenant) != 0))
		link = link->next;
	return link;
}

/* The mutex is held. */
static void
link_remove(struct login_links *links, struct login_link *link)
{
	struct login_link **at = bucket_of(links, link->tenant, link->shard);

	if (!link->kept)
		return;
	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	link->kept = false;
	link->refs--; /* the caller holds another */
}

/* Nobody sends us anything here, so whatever poll tells is the end. */
static bool
link_alive(const struct login_link *link)
{
	struct pollfd p = { .fd = link->fd, .events = POLLIN | POLLRDHUP };

	return poll(&p, 1, 0) == 0;
}

static int
link_new(struct login_links *links, const char *tenant, unsigned shard,
    struct login_link **link_out, struct err *err)
{
	struct login_link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return err_sys(err, "socket to a session process");
	if (strlen(tenant) >= sizeof(link->tenant)) {
		free(link);
		return err_set(
		    err, ERR_TEMP, "tenant %.80s: name too long", tenant);
	}
	memcpy(link->tenant, tenant, strlen(tenant) + 1);
	link->shard = shard;
	link->refs = 1;
	if (links->options.connect(links->options.arg, links->options.daemon,
		tenant, shard, &link->fd, err) == -1) {
		free(link);
		return -1;
	}
	*link_out = link;
	return 0;
}

int
login_link_get(struct login_links *links, const char *tenant, unsigned shard,
    struct login_link **link_out, struct err *err)
{
	struct login_link *link;

	(void)pthread_mutex_lock(&links->mutex);
	link = link_find(links, tenant, shard);
	if (link != NULL)
		link->refs++;
	(void)pthread_mutex_unlock(&links->mutex);
	if (link != NULL) {
		if (link_alive(link)) {
			*link_out = link;
			return 0;
		}
		login_link_drop(links, link);
		login_link_unref(links, link);
	}

	if (link_new(links, tenant, shard, &link, err) == -1)
		return -1;
	(void)pthread_mutex_lock(&links->mutex);
	/* Another worker may have connected meanwhile: ours is then used once.
	 */
	if (link_find(links, tenant, shard) == NULL) {
		struct login_link **bucket = bucket_of(links, tenant, shard);

		link->next = *bucket;
		*bucket = link;
		link->kept = true;
		link->refs++;
	}
	(void)pthread_mutex_unlock(&links->mutex);
	*link_out = link;
	return 0;
}

int
login_link_fd(const struct login_link *link)
{
	return link->fd;
}

void
login_link_drop(struct login_links *links, struct login_link *link)
{
	(void)pthread_mutex_lock(&links->mutex);
	link_remove(links, link);
	(void)pthread_mutex_unlock(&links->mutex);
}

void
login_link_unref(struct login_links *links, struct login_link *link)
{
	unsigned refs;

	(void)pthread_mutex_lock(&links->mutex);
	refs = --link->refs;
	(void)pthread_mutex_unlock(&links->mutex);
	if (refs == 0)
		link_free(link);
}
