#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* The kinds of requests are their fields in FlowRequest. */
enum { PUT_SET = 1, PATCH_SET, DELETE_SET, PUT_RULE, DELETE_RULE, PUT_ISOLATION, DELETE_ISOLATION, REPORT };

/* One thing in force: a request, encoded and as text. Blocks of a set of
 * addresses are things of their own (kind PATCH_SET), whatever request they came by. */
struct thing {
	unsigned kind;
	struct bytes name, cidr, request, text;
};

struct things {
	struct thing *at;
	size_t count;
};

struct object {
	struct bytes resource, namespace, name, json;
};

struct host {
	const sluice_module *module;
	struct bytes config, log, requests, state;
	struct object *objects;
	size_t object_count;
	int64_t ticked; /* 0: never */
	uint64_t sequence;
	struct things in_force, staged;
	int32_t refusal;
	bool void_batch;
	int failures;
};

static sluice_str str(const struct bytes *b) { return (sluice_str){b->at, b->length}; }
static bool is(const struct bytes *b, struct span s) { return span_same((struct span){(uint8_t *)b->at, (uint8_t *)b->at + b->length}, s); }

/* ---- What is in force ---- */

static void free_thing(struct thing *t) {
	free(t->name.at);
	free(t->cidr.at);
	free(t->request.at);
	free(t->text.at);
}

static void clear(struct things *list) {
	for (size_t i = 0; i < list->count; i++)
		free_thing(&list->at[i]);
	free(list->at);
	*list = (struct things){0};
}

/* Removes what has this name; cidr, if it is given, is that of one block. */
static void drop(struct things *list, unsigned kind, struct span name, const struct span *cidr) {
	size_t kept = 0;
	for (size_t i = 0; i < list->count; i++) {
		struct thing *t = &list->at[i];
		if (t->kind == kind && is(&t->name, name) && (!cidr || is(&t->cidr, *cidr)))
			free_thing(t);
		else
			list->at[kept++] = *t;
	}
	list->count = kept;
}

static struct thing *find(const struct things *list, unsigned kind, struct span name) {
	for (size_t i = 0; i < list->count; i++)
		if (list->at[i].kind == kind && is(&list->at[i].name, name))
			return &list->at[i];
	return NULL;
}

static struct thing *add(struct things *list, unsigned kind, struct span name) {
	list->at = realloc(list->at, (list->count + 1) * sizeof *list->at);
	struct thing *t = &list->at[list->count++];
	*t = (struct thing){.kind = kind};
	bytes_add(&t->name, name.at, (size_t)(name.end - name.at));
	return t;
}

static void add_request(struct things *list, unsigned kind, struct span name, struct span request) {
	drop(list, kind, name, NULL);
	struct thing *t = add(list, kind, name);
	bytes_add(&t->request, request.at, (size_t)(request.end - request.at));
	text_of_request(&t->text, request);
}

static void add_block(struct things *list, struct span set, struct span block) {
	struct span cidr = span_get(block, 1, 0), except;
	drop(list, PATCH_SET, set, &cidr);
	struct thing *t = add(list, PATCH_SET, set);
	bytes_add(&t->cidr, cidr.at, (size_t)(cidr.end - cidr.at));
	bytes_format(&t->text, "block of \"%s\": %s", t->name.at, t->cidr.at);
	for (size_t i = 0; (except = span_get(block, 2, i)).at; i++)
		bytes_format(&t->text, " except %.*s", (int)(except.end - except.at), (const char *)except.at);
}

static void copy_all(struct things *to, const struct things *from) {
	clear(to);
	for (size_t i = 0; i < from->count; i++) {
		const struct thing *f = &from->at[i];
		struct thing *t = add(to, f->kind, (struct span){(uint8_t *)f->name.at, (uint8_t *)f->name.at + f->name.length});
		bytes_add(&t->cidr, f->cidr.at, f->cidr.length);
		bytes_add(&t->request, f->request.at, f->request.length);
		bytes_add(&t->text, f->text.at, f->text.length);
	}
}

static int by_text(const void *a, const void *b) { return strcmp(((const struct thing *)a)->text.at, ((const struct thing *)b)->text.at); }

static void describe(struct bytes *out, struct things *list) {
	out->length = 0;
	bytes_add(out, "", 0);
	if (list->count)
		qsort(list->at, list->count, sizeof *list->at, by_text);
	for (size_t i = 0; i < list->count; i++)
		bytes_format(out, "%s\n", list->at[i].text.at);
}

/* ---- Requests ---- */

static bool knows_sets(const struct things *list, struct span spec, unsigned field) {
	struct span name;
	for (size_t i = 0; (name = span_get(spec, field, i)).at; i++)
		if (!find(list, PUT_SET, name))
			return false;
	return true;
}

static int32_t apply(struct things *list, unsigned kind, struct span request) {
	struct span body = span_get(request, kind, 0), name = span_get(body, 1, 0), spec = span_get(body, 2, 0), part;
	if (kind == REPORT)
		return 0;
	if (name.at == name.end)
		return -1;
	if (name.end - name.at > 253)
		return -2;
	switch (kind) {
	case PUT_SET:
		drop(list, PATCH_SET, name, NULL);
		part = span_get(body, SLUICE_ADDRESSES, 0);
		if (!part.at) {
			add_request(list, kind, name, request);
			break;
		}
		drop(list, PUT_SET, name, NULL);
		bytes_format(&add(list, PUT_SET, name)->text, "put_set { name: \"%.*s\" addresses }", (int)(name.end - name.at), (const char *)name.at);
		for (size_t i = 0; (spec = span_get(part, 1, i)).at; i++)
			add_block(list, name, spec);
		break;
	case PATCH_SET:
		if (!find(list, PUT_SET, name))
			return -5;
		for (size_t i = 0; (part = span_get(body, 3, i)).at; i++)
			drop(list, PATCH_SET, name, &part);
		for (size_t i = 0; (part = span_get(body, 2, i)).at; i++)
			add_block(list, name, part);
		break;
	case PUT_RULE:
		if (!span_number(spec, 1) || !span_number(spec, 2) || !span_number(spec, 8) || !span_get(spec, 4, 0).at ||
		    !span_get(spec, 5, 0).at == !span_number(spec, 6))
			return -1;
		if (!knows_sets(list, spec, 4) || !knows_sets(list, spec, 5))
			return -5;
		add_request(list, kind, name, request);
		break;
	case PUT_ISOLATION:
		if (!span_number(spec, 1) || !span_number(spec, 2) || !span_get(spec, 3, 0).at)
			return -1;
		if (!knows_sets(list, spec, 3))
			return -5;
		add_request(list, kind, name, request);
		break;
	case DELETE_SET:
		drop(list, PATCH_SET, name, NULL);
		drop(list, PUT_SET, name, NULL);
		break;
	case DELETE_RULE:
		drop(list, PUT_RULE, name, NULL);
		break;
	case DELETE_ISOLATION:
		drop(list, PUT_ISOLATION, name, NULL);
		break;
	}
	return 0;
}

static int32_t stage(void *self, const void *requests, size_t length) {
	struct host *h = self;
	int32_t answer = h->refusal;
	h->refusal = 0;
	if (length > 1 << 20)
		answer = -2;
	struct span all = {requests, (const uint8_t *)requests + length}, request;
	for (size_t i = 0; !answer && (request = span_get(all, 1, i)).at; i++) {
		unsigned kind = request.at[0] >> 3;
		text_of_request(&h->requests, request);
		bytes_add(&h->requests, "\n", 1);
		answer = apply(&h->staged, kind, request);
	}
	h->void_batch |= answer != 0;
	return answer;
}

static void keep_line(void *self, sluice_log_level level, sluice_str text) {
	bytes_format(&((struct host *)self)->log, "%d %.*s\n", level, (int)text.length, text.at);
}

/* ---- Batches ---- */

static int32_t hand_over(struct host *h, bool reset, const struct bytes *events) {
	static const struct things nothing = {0};
	struct bytes batch = {0};
	batch_number(&batch, 1, ++h->sequence);
	batch_number(&batch, 2, reset);
	bytes_add(&batch, events->at, events->length);
	copy_all(&h->staged, reset ? &nothing : &h->in_force);
	h->requests.length = 0;
	bytes_add(&h->requests, "", 0);
	h->void_batch = false;
	sluice_output out = {h, stage, keep_line};
	int32_t answer = sluice_run(h->module, &out, batch.at, batch.length);
	free(batch.at);
	if (answer != SLUICE_COMMIT || h->void_batch)
		return answer;
	for (size_t i = 0; i < h->staged.count; i++) {
		struct thing *t = &h->staged.at[i];
		struct span request = {(uint8_t *)t->request.at, (uint8_t *)t->request.at + t->request.length};
		struct span spec = span_get(span_get(request, t->kind, 0), 2, 0);
		bool good = t->kind == PUT_RULE        ? knows_sets(&h->staged, spec, 4) && knows_sets(&h->staged, spec, 5)
		            : t->kind == PUT_ISOLATION ? knows_sets(&h->staged, spec, 3)
		                                       : true;
		if (!good) {
			fprintf(stderr, "batch %llu cannot be committed: a set is gone that is still named by\n  %s\n", (unsigned long long)h->sequence, t->text.at);
			h->failures++;
			return answer;
		}
	}
	copy_all(&h->in_force, &h->staged);
	describe(&h->state, &h->in_force);
	return answer;
}

static void add_event(struct bytes *events, sluice_event_kind kind, const struct object *o) {
	batch_add(events, &(sluice_event){.kind = kind, .object = {str(&o->resource), str(&o->namespace), str(&o->name), {0}, 0, str(&o->json)}});
}

static int32_t whole_state(struct host *h, bool backwards) {
	struct bytes events = {0};
	batch_add(&events, &(sluice_event){.kind = SLUICE_CONFIGURE, .object.json = str(&h->config)});
	if (h->ticked)
		batch_add(&events, &(sluice_event){.kind = SLUICE_TICK, .unix_nanos = h->ticked});
	for (size_t i = 0; i < h->object_count; i++)
		add_event(&events, SLUICE_OBJECT_PUT, &h->objects[backwards ? h->object_count - 1 - i : i]);
	int32_t answer = hand_over(h, true, &events);
	free(events.at);
	return answer;
}

static void set(struct bytes *b, const char *text) {
	b->length = 0;
	bytes_add(b, text, strlen(text));
}

struct host *host_new(const sluice_module *module, const char *config) {
	struct host *h = calloc(1, sizeof *h);
	if (!h)
		abort();
	h->module = module;
	set(&h->config, config ? config : "");
	set(&h->log, "");
	set(&h->state, "");
	whole_state(h, false);
	return h;
}

static struct object *object_of(struct host *h, const char *resource, const char *namespace, const char *name) {
	for (size_t i = 0; i < h->object_count; i++) {
		struct object *o = &h->objects[i];
		if (!strcmp(o->resource.at, resource) && !strcmp(o->namespace.at, namespace) && !strcmp(o->name.at, name))
			return o;
	}
	h->objects = realloc(h->objects, (h->object_count + 1) * sizeof *h->objects);
	struct object *o = &h->objects[h->object_count++];
	*o = (struct object){0};
	set(&o->resource, resource);
	set(&o->namespace, namespace);
	set(&o->name, name);
	return o;
}

static int32_t one(struct host *h, const sluice_event *e) {
	struct bytes events = {0};
	batch_add(&events, e);
	int32_t answer = hand_over(h, false, &events);
	free(events.at);
	return answer;
}

int32_t host_put(struct host *h, const char *resource, const char *namespace, const char *name, const char *json) {
	struct object *o = object_of(h, resource, namespace, name);
	set(&o->json, json);
	struct bytes events = {0};
	add_event(&events, SLUICE_OBJECT_PUT, o);
	int32_t answer = hand_over(h, false, &events);
	free(events.at);
	return answer;
}

static void free_object(struct object *o) {
	free(o->resource.at);
	free(o->namespace.at);
	free(o->name.at);
	free(o->json.at);
}

int32_t host_gone(struct host *h, const char *resource, const char *namespace, const char *name) {
	struct object *o = object_of(h, resource, namespace, name);
	struct bytes events = {0};
	set(&o->json, "");
	add_event(&events, SLUICE_OBJECT_DELETE, o);
	free_object(o);
	*o = h->objects[--h->object_count];
	int32_t answer = hand_over(h, false, &events);
	free(events.at);
	return answer;
}

int32_t host_configure(struct host *h, const char *json) {
	set(&h->config, json);
	return one(h, &(sluice_event){.kind = SLUICE_CONFIGURE, .object.json = str(&h->config)});
}

int32_t host_tick(struct host *h, int64_t unix_nanos) {
	h->ticked = unix_nanos;
	return one(h, &(sluice_event){.kind = SLUICE_TICK, .unix_nanos = unix_nanos});
}

int32_t host_reset(struct host *h) { return whole_state(h, false); }
void host_refuse(struct host *h, int32_t code) { h->refusal = code; }
const char *host_state(const struct host *h) { return h->state.at; }
const char *host_requests(const struct host *h) { return h->requests.at; }
const char *host_log(const struct host *h) { return h->log.at; }

bool host_has(const struct host *h, const char *beginning) {
	for (const char *line = h->state.at; *line; line = strchr(line, '\n') + 1)
		if (!strncmp(line, beginning, strlen(beginning)))
			return true;
	return false;
}

void host_check(struct host *h, bool good, const char *what, const char *file, int line) {
	if (good)
		return;
	h->failures++;
	fprintf(stderr, "%s:%d: does not hold: %s\nin force:\n%slog:\n%s", file, line, what, h->state.at, h->log.at);
}

int host_done(struct host *h) {
	struct bytes history = {0};
	bytes_add(&history, h->state.at, h->state.length);
	for (int backwards = 0; backwards < 2; backwards++) {
		int32_t answer = whole_state(h, backwards);
		if (answer != SLUICE_COMMIT || strcmp(history.at, h->state.at)) {
			h->failures++;
			fprintf(stderr, "a reset (%s) returns %d and differs from the history:\n%sby history:\n%s",
				backwards ? "backwards" : "in order", answer, h->state.at, history.at);
		}
	}
	int failures = h->failures;
	for (size_t i = 0; i < h->object_count; i++)
		free_object(&h->objects[i]);
	free(h->objects);
	clear(&h->in_force);
	clear(&h->staged);
	free(h->config.at);
	free(h->log.at);
	free(h->requests.at);
	free(h->state.at);
	free(history.at);
	free(h);
	return failures > 0;
}
