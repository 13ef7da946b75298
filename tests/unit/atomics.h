/* SPDX-License-Identifier: BSD-2-Clause */
/* Included ahead of the code under test: its atomics, futexes and clock become the explorer's. */
#ifndef HF_TESTS_ATOMICS_H
#define HF_TESTS_ATOMICS_H

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/explorer.h"

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_exchange_explicit
#undef atomic_fetch_add
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub
#undef atomic_fetch_sub_explicit
#undef atomic_thread_fence
#undef atomic_compare_exchange_strong

#define MODEL_LATE(order) ((order) != memory_order_seq_cst)
/* A statement expression, whose value may go unused. */
#define MODEL_AS(p, value)                                                        \
	__extension__({                                                           \
		__typeof__(*(p) + 0) model_value = (__typeof__(*(p) + 0))(value); \
		model_value;                                                      \
	})
#define MODEL_RMW(p, op, value, order) \
	MODEL_AS(p, model_rmw(p, sizeof(*(p)), op, (uint64_t)(value), MODEL_LATE(order)))

#define atomic_load(p)			   MODEL_AS(p, model_load(p, sizeof(*(p))))
#define atomic_load_explicit(p, o)	   atomic_load(p)
#define atomic_store_explicit(p, v, o)	   model_store(p, sizeof(*(p)), v, MODEL_LATE(o))
#define atomic_store(p, v)		   atomic_store_explicit(p, v, memory_order_seq_cst)
#define atomic_exchange_explicit(p, v, o)  MODEL_RMW(p, MODEL_EXCHANGE, v, o)
#define atomic_exchange(p, v)		   atomic_exchange_explicit(p, v, memory_order_seq_cst)
#define atomic_fetch_add_explicit(p, v, o) MODEL_RMW(p, MODEL_ADD, v, o)
#define atomic_fetch_add(p, v)		   atomic_fetch_add_explicit(p, v, memory_order_seq_cst)
#define atomic_fetch_sub_explicit(p, v, o) MODEL_RMW(p, MODEL_ADD, -(int64_t)(v), o)
#define atomic_fetch_sub(p, v)		   atomic_fetch_sub_explicit(p, v, memory_order_seq_cst)
#define atomic_thread_fence(o)		   explorer_drain(explorer_self())
#define atomic_compare_exchange_strong(p, expected, v) \
	model_compare_exchange(p, sizeof(*(p)), expected, v)

#define syscall	      model_syscall
#define clock_gettime model_clock_gettime

#endif
