#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void make_room(struct bytes *b, size_t more) {
	if (b->room - b->length > more)
		return;
	b->room = 2 * (b->length + more) + 64;
	b->at = realloc(b->at, b->room);
	if (!b->at)
		abort();
}

void bytes_add(struct bytes *b, const void *from, size_t length) {
	make_room(b, length);
	if (length)
		memcpy(b->at + b->length, from, length);
	b->at[b->length += length] = 0;
}

void bytes_format(struct bytes *b, const char *format, ...) {
	va_list list, again;
	va_start(list, format);
	va_copy(again, list);
	int length = vsnprintf(NULL, 0, format, list);
	make_room(b, (size_t)length + 1);
	b->length += (size_t)vsnprintf(b->at + b->length, (size_t)length + 1, format, again);
	va_end(list);
	va_end(again);
}

/* ---- Reading ---- */

static uint64_t varint(struct span *s) {
	uint64_t v = 0;
	for (int shift = 0; s->at < s->end; shift += 7) {
		v |= (uint64_t)(*s->at & 0x7f) << shift;
		if (*s->at++ < 0x80)
			break;
	}
	return v;
}

/* Takes the next field; for lengths, value is what they enclose. */
static bool next(struct span *s, unsigned *field, struct span *value, uint64_t *number) {
	if (s->at >= s->end)
		return false;
	uint64_t key = varint(s);
	*field = (unsigned)(key >> 3);
	*value = (struct span){0};
	*number = varint(s);
	if ((key & 7) == 2) {
		if (*number > (uint64_t)(s->end - s->at)) {
			fprintf(stderr, "a request is cut short\n");
			abort();
		}
		*value = (struct span){s->at, s->at + *number};
		s->at = value->end;
	}
	return true;
}

struct span span_get(struct span message, unsigned field, size_t nth) {
	unsigned f;
	struct span value;
	for (uint64_t number; next(&message, &f, &value, &number);)
		if (f == field && nth-- == 0)
			return value;
	return (struct span){0};
}

uint64_t span_number(struct span message, unsigned field) {
	unsigned f;
	struct span value;
	uint64_t found = 0;
	for (uint64_t number; next(&message, &f, &value, &number);)
		if (f == field)
			found = number;
	return found;
}

bool span_same(struct span a, struct span b) {
	return a.end - a.at == b.end - b.at && (a.at == b.at || memcmp(a.at, b.at, (size_t)(a.end - a.at)) == 0);
}

/* ---- The schema of requests, as in abi/abi.proto ---- */

struct shape {
	const char *name; /* of the field with the number of this element; NULL: there is none */
	enum { NUMBER, SIGNED, BOOL, TEXT, ENUM, MESSAGE } type;
	const struct shape *message;
	const char *const *words;
};

#define NUM(name) {name, NUMBER, NULL, NULL}
#define STR(name) {name, TEXT, NULL, NULL}
#define YES(name) {name, BOOL, NULL, NULL}
#define MSG(name, shape) {name, MESSAGE, shape, NULL}
#define WORD(name, words) {name, ENUM, NULL, words}
enum { FIELDS = 11 };

static const char *const tiers[] = {"TIER_UNSPECIFIED", "TIER_ADMIN", "TIER_NETWORK", "TIER_BASELINE"};
static const char *const directions[] = {"DIRECTION_UNSPECIFIED", "DIRECTION_INGRESS", "DIRECTION_EGRESS"};
static const char *const actions[] = {"ACTION_UNSPECIFIED", "ACTION_ALLOW", "ACTION_DENY", "ACTION_REJECT", "ACTION_PASS"};
static const char *const operators[] = {"OPERATOR_UNSPECIFIED", "OPERATOR_IN", "OPERATOR_NOT_IN", "OPERATOR_EXISTS", "OPERATOR_DOES_NOT_EXIST"};

static const struct shape
	requirement[FIELDS] = {[1] = STR("key"), [2] = WORD("operator", operators), [3] = STR("values")},
	selector[FIELDS] = {[1] = MSG("requirements", requirement)},
	block[FIELDS] = {[1] = STR("cidr"), [2] = STR("except")},
	pods[FIELDS] = {[1] = STR("namespaces"), [2] = MSG("namespace_selector", selector), [3] = MSG("pod_selector", selector)},
	nodes[FIELDS] = {[1] = MSG("selector", selector)},
	addresses[FIELDS] = {[1] = MSG("blocks", block)},
	icmp[FIELDS] = {[1] = NUM("type"), [2] = NUM("code"), [3] = YES("any_code")},
	port[FIELDS] = {[1] = NUM("protocol"), [2] = NUM("first"), [3] = NUM("last"), [4] = STR("name"), [5] = MSG("icmp", icmp)},
	origin[FIELDS] = {[1] = STR("resource"), [2] = STR("namespace"), [3] = STR("name"), [4] = STR("rule")},
	condition[FIELDS] = {[1] = STR("type"), [2] = YES("status"), [3] = STR("reason"), [4] = STR("message")},
	rule[FIELDS] = {[1] = WORD("tier", tiers), [2] = WORD("direction", directions), [3] = {"priority", SIGNED, NULL, NULL},
		[4] = STR("subjects"), [5] = STR("peers"), [6] = YES("any_peer"), [7] = MSG("ports", port),
		[8] = WORD("action", actions), [9] = YES("log"), [10] = MSG("origin", origin)},
	isolation[FIELDS] = {[1] = WORD("tier", tiers), [2] = WORD("direction", directions), [3] = STR("subjects"), [4] = MSG("origin", origin)},
	put_set[FIELDS] = {[1] = STR("name"), [2] = MSG("pods", pods), [3] = MSG("nodes", nodes), [4] = MSG("addresses", addresses)},
	patch_set[FIELDS] = {[1] = STR("name"), [2] = MSG("add", block), [3] = STR("remove")},
	named[FIELDS] = {[1] = STR("name")},
	put_rule[FIELDS] = {[1] = STR("name"), [2] = MSG("rule", rule)},
	put_isolation[FIELDS] = {[1] = STR("name"), [2] = MSG("isolation", isolation)},
	report[FIELDS] = {[1] = MSG("object", origin), [2] = MSG("condition", condition)},
	flow_request[FIELDS] = {[1] = MSG("put_set", put_set), [2] = MSG("patch_set", patch_set), [3] = MSG("delete_set", named),
		[4] = MSG("put_rule", put_rule), [5] = MSG("delete_rule", named), [6] = MSG("put_isolation", put_isolation),
		[7] = MSG("delete_isolation", named), [8] = MSG("report", report)};

static void text_of(struct bytes *out, const struct shape *shapes, struct span message) {
	unsigned field;
	struct span value;
	const char *gap = "";
	for (uint64_t number; next(&message, &field, &value, &number); gap = " ") {
		const struct shape *s = &shapes[field < FIELDS ? field : 0];
		if (!s->name) {
			bytes_format(out, "%s%u: ?", gap, field);
			continue;
		}
		bytes_format(out, "%s%s%s ", gap, s->name, s->type == MESSAGE ? "" : ":");
		switch (s->type) {
		case NUMBER:
			bytes_format(out, "%" PRIu64, number);
			break;
		case SIGNED:
			bytes_format(out, "%" PRId64, (int64_t)number);
			break;
		case BOOL:
			bytes_format(out, number ? "true" : "false");
			break;
		case ENUM:
			bytes_format(out, "%s", s->words[number]);
			break;
		case TEXT:
			bytes_format(out, "\"");
			for (const uint8_t *c = value.at; c < value.end; c++)
				bytes_format(out, *c < ' ' || *c == '"' || *c == '\\' ? "\\%03o" : "%c", *c);
			bytes_format(out, "\"");
			break;
		case MESSAGE:
			bytes_format(out, "{ ");
			text_of(out, s->message, value);
			bytes_format(out, value.at == value.end ? "}" : " }");
		}
	}
}

void text_of_request(struct bytes *out, struct span request) { text_of(out, flow_request, request); }

/* ---- Events ---- */

static void add_varint(struct bytes *b, uint64_t v) {
	for (; v >= 0x80; v >>= 7)
		bytes_add(b, &(uint8_t){(uint8_t)v | 0x80}, 1);
	bytes_add(b, &(uint8_t){(uint8_t)v}, 1);
}

static void add_bytes(struct bytes *b, unsigned field, const void *at, size_t length) {
	add_varint(b, field << 3 | 2);
	add_varint(b, length);
	bytes_add(b, at, length);
}

void batch_number(struct bytes *b, unsigned field, uint64_t v) {
	if (v) {
		add_varint(b, field << 3);
		add_varint(b, v);
	}
}

void batch_add(struct bytes *batch, const sluice_event *e) {
	struct bytes inner = {0}, event = {0};
	const sluice_object *o = &e->object;
	if (e->kind == SLUICE_OBJECT_PUT || e->kind == SLUICE_OBJECT_DELETE) {
		const sluice_str *texts[] = {&o->resource, &o->namespace, &o->name, &o->uid};
		for (unsigned i = 0; i < 4; i++)
			if (texts[i]->length)
				add_bytes(&inner, i + 1, texts[i]->at, texts[i]->length);
	}
	if (e->kind == SLUICE_OBJECT_PUT)
		batch_number(&inner, 5, (uint64_t)o->generation);
	if (o->json.length)
		add_bytes(&inner, e->kind == SLUICE_CONFIGURE ? 1 : 6, o->json.at, o->json.length);
	if (e->kind == SLUICE_TICK)
		batch_number(&inner, 1, (uint64_t)e->unix_nanos);
	add_bytes(&event, e->kind, inner.at, inner.length);
	add_bytes(batch, 3, event.at, event.length);
	free(inner.at);
	free(event.at);
}
