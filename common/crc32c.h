/* SPDX-License-Identifier: BSD-2-Clause */
/* CRC-32C (Castagnoli), by the processor's instruction where it has one. */
#ifndef HK_COMMON_CRC32C_H
#define HK_COMMON_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * Carries on from the value for what came before, 0 at first:
 * crc32c(crc32c(0, a), b) is that of a and b in one piece.
 */
uint32_t crc32c(uint32_t crc, const void *octets, size_t len);

/* The same without the instruction, for processors that lack it. */
uint32_t crc32c_plain(uint32_t crc, const void *octets, size_t len);

#endif
