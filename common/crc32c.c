/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/crc32c.h"

#include <string.h>

#define POLYNOMIAL 0x82f63b78U /* 0x1edc6f41, the low bit first */

uint32_t
crc32c_plain(uint32_t crc, const void *octets, size_t len)
{
	const unsigned char *p = octets;
	uint32_t nibble[16];

	/* Half an octet at a time: the table is made in no time, and nothing
	 * is shared between threads. */
	for (uint32_t i = 0; i < 16; i++) {
		uint32_t r = i;

		for (int bit = 0; bit < 4; bit++)
			r = r >> 1 ^ (POLYNOMIAL & -(r & 1));
		nibble[i] = r;
	}
	crc = ~crc;
	while (len-- > 0) {
		crc ^= *p++;
		crc = crc >> 4 ^ nibble[crc & 15];
		crc = crc >> 4 ^ nibble[crc & 15];
	}
	return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, const void *octets, size_t len)
{
	const unsigned char *p = octets;
	uint64_t wide = (uint32_t)~crc;

	for (; len >= 8; p += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		wide = __builtin_ia32_crc32di(wide, word);
	}
	for (; len > 0; p++, len--)
		wide = __builtin_ia32_crc32qi((uint32_t)wide, *p);
	return ~(uint32_t)wide;
}

uint32_t
crc32c(uint32_t crc, const void *octets, size_t len)
{
	return __builtin_cpu_supports("sse4.2")
		   ? crc32c_sse42(crc, octets, len)
		   : crc32c_plain(crc, octets, len);
}
#else
uint32_t
crc32c(uint32_t crc, const void *octets, size_t len)
{
	return crc32c_plain(crc, octets, len);
}
#endif
