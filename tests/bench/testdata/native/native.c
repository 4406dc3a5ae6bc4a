/*
 * Hands the batches of a file to the module: the first is a snapshot and is
 * repeated, the others are changes.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sluice.h"

extern const sluice_module sluice_this;

static int32_t emit(void *self, const void *requests, size_t length) {
	(void)self, (void)requests, (void)length;
	return 0;
}

static void say(void *self, sluice_log_level level, sluice_str text) {
	(void)self, (void)level, (void)text;
}

static long long timed(const unsigned char *batch, size_t length) {
	static const sluice_output nowhere = {NULL, emit, say};
	struct timespec from, to;
	clock_gettime(CLOCK_MONOTONIC, &from);
	if (sluice_run(&sluice_this, &nowhere, batch, length) != SLUICE_COMMIT)
		exit(3);
	clock_gettime(CLOCK_MONOTONIC, &to);
	return (to.tv_sec - from.tv_sec) * 1000000000LL + (to.tv_nsec - from.tv_nsec);
}

static size_t length_at(const unsigned char *at) {
	return at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
}

int main(void) {
	FILE *in = fopen(getenv("SLUICE_NATIVE_BATCHES"), "rb");
	if (!in || fseek(in, 0, SEEK_END))
		return 1;
	size_t size = (size_t)ftell(in);
	unsigned char *all = malloc(size);
	rewind(in);
	if (!all || fread(all, 1, size, in) != size)
		return 1;
	FILE *out = fopen(getenv("SLUICE_NATIVE_TIMES"), "wb");
	if (!out)
		return 1;
	const char *comma = "";
	size_t first = length_at(all);
	fprintf(out, "{\"Snapshot\":[");
	for (int i = 0; i < 20; i++, comma = ",")
		fprintf(out, "%s%lld", comma, timed(all + 4, first));
	fprintf(out, "],\"Change\":[");
	comma = "";
	for (int i = 0; i < 10; i++)
		for (size_t at = 4 + first; at < size; at += 4 + length_at(all + at), comma = ",")
			fprintf(out, "%s%lld", comma, timed(all + at + 4, length_at(all + at)));
	fprintf(out, "]}");
	return fclose(out) ? 1 : 0;
}
