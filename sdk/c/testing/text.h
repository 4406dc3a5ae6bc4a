/* Bytes that grow, and messages of the ABI as text: for host.c and the SDK's own tests. */
#ifndef SLUICE_TESTING_TEXT_H
#define SLUICE_TESTING_TEXT_H

#include "../sluice.h"

struct bytes {
	char *at; /* always ended by a NUL that is not counted */
	size_t length, room;
};

void bytes_add(struct bytes *, const void *from, size_t length);
void bytes_format(struct bytes *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A part of a message. */
struct span {
	const uint8_t *at, *end; /* both NULL: there is none */
};

/* The nth value of a field, counted from 0: a message, a text or bytes. */
struct span span_get(struct span message, unsigned field, size_t nth);
uint64_t span_number(struct span message, unsigned field);
bool span_same(struct span, struct span);

/* Adds one FlowRequest as text, in one line without an end. */
void text_of_request(struct bytes *, struct span request);

/* Adds one event to an encoded EventBatch. */
void batch_add(struct bytes *batch, const sluice_event *);
/* Adds a varint field, unless it is 0. */
void batch_number(struct bytes *batch, unsigned field, uint64_t);

#endif
