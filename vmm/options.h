/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of `hyperflush run`, and what all commands share. */
#ifndef HF_VMM_OPTIONS_H
#define HF_VMM_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "machine.h"

struct run_options {
	struct machine_options machine;
	unsigned pin[MACHINE_MAX_VCPUS]; /* machine.pin points here */
	bool help;			 /* --help was given: the rest is not valid */
};

/*
 * Parses argv[1] to argv[argc-1]. False after one line on stderr. Strings stay
 * in argv. *options must not be copied afterwards.
 */
bool options_parse_run(int argc, char **argv, struct run_options *options);

void options_help(FILE *to);

/* A decimal number from min to max, and nothing else. */
bool options_number(const char *text, unsigned min, unsigned max, unsigned *out);

/* A decimal number of 64 bits, and nothing else. */
bool options_u64(const char *text, uint64_t *out);

/* Calls add() with each word of "a,b", which is cut up. False at the first that it refuses, or
 * without any. */
bool options_words(char *text, bool (*add)(void *ctx, const char *word), void *ctx);

/*
 * "0,2-4" into `list`, in that order. False if malformed, empty, or longer
 * than `max` numbers.
 */
bool options_list(const char *text, unsigned *list, unsigned max, unsigned *count);

/* "hyperflush: …" and a newline on stderr. */
void options_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
