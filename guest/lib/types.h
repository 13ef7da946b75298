/* SPDX-License-Identifier: BSD-2-Clause */
/* Integer names used throughout the guest. */
#ifndef GUEST_LIB_TYPES_H
#define GUEST_LIB_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef u64 paddr_t; /* guest-physical address, bytes */

#define ARRAY_SIZE(a)		      (sizeof(a) / sizeof((a)[0]))
#define ALIGN_DOWN(x, a)	      ((x) & ~((typeof(x))(a)-1))
#define ALIGN_UP(x, a)		      ALIGN_DOWN((x) + (typeof(x))(a)-1, a)
#define MIN(a, b)		      ((a) < (b) ? (a) : (b))
#define MAX(a, b)		      ((a) > (b) ? (a) : (b))
#define container_of(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

#define CACHE_LINE 64

#endif
