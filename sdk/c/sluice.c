/*
 * The Sluice SDK for C in one file: memory, codec, transaction, JSON, and the
 * two functions that a module exports. sluice.h says what it promises.
 */
#include "sluice.h"

/* ---- Memory: taken while a batch is handled, given back all at once ------ */

#ifdef __wasm__

/* Pages of our own, got from the engine: the heap of a libc is left alone. */
struct memory {
	uint8_t *start, *at, *end;
};

static void *take(struct memory *m, size_t bytes) {
	enum { PAGE = 65536 };
	bytes = (bytes + 15) & ~(size_t)15;
	if ((size_t)(m->end - m->at) < bytes) {
		size_t had = (size_t)(m->end - m->start); /* at least doubled, so that growing is rare */
		size_t pages = ((bytes > had ? bytes : had) + PAGE - 1) / PAGE;
		size_t old = __builtin_wasm_memory_grow(0, pages);
		if (old == (size_t)-1)
			old = __builtin_wasm_memory_grow(0, pages = (bytes + PAGE - 1) / PAGE);
		if (old == (size_t)-1)
			__builtin_trap();
		uint8_t *fresh = (uint8_t *)(old * PAGE);
		if (fresh != m->end) /* somebody else has grown the memory meanwhile */
			m->start = m->at = fresh;
		m->end = fresh + pages * PAGE;
	}
	void *taken = m->at;
	m->at += bytes;
	return taken;
}

static void give_back(struct memory *m) { m->at = m->start; }

#else
#include <stdlib.h>

struct memory {
	struct piece {
		struct piece *before;
		_Alignas(16) uint8_t bytes[];
	} *last;
};

static void *take(struct memory *m, size_t bytes) {
	struct piece *p = malloc(sizeof *p + bytes);
	if (!p)
		abort();
	p->before = m->last;
	m->last = p;
	return p->bytes;
}

static void give_back(struct memory *m) {
	while (m->last) {
		struct piece *before = m->last->before;
		free(m->last);
		m->last = before;
	}
}

#endif

static void copy(void *to, const void *from, size_t n) {
	for (size_t i = 0; i < n; i++)
		((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
}

/* ---- Text ---------------------------------------------------------------- */

bool sluice_equal(sluice_str a, sluice_str b) {
	if (a.length != b.length)
		return false;
	for (size_t i = 0; i < a.length; i++)
		if (a.at[i] != b.at[i])
			return false;
	return true;
}

/* UTF-8 as in RFC 3629: shortest forms only, no surrogates, at most U+10FFFF. */
static bool is_utf8(const char *text, size_t length) {
	const uint8_t *at = (const uint8_t *)text, *end = at + length;
	while (at < end) {
		uint8_t c = *at++;
		if (c < 0x80)
			continue;
		int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
		if (c < 0xc2 || c > 0xf4 || end - at < more)
			return false;
		if ((c == 0xe0 && at[0] < 0xa0) || (c == 0xed && at[0] > 0x9f) ||
		    (c == 0xf0 && at[0] < 0x90) || (c == 0xf4 && at[0] > 0x8f))
			return false;
		for (; more > 0; more--)
			if ((*at++ & 0xc0) != 0x80)
				return false;
	}
	return true;
}

/* ---- Writing requests ---------------------------------------------------- */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

struct writer {
	uint8_t *at;
	size_t used, room;
	bool full; /* something did not fit: what was written is of no use */
};

static void write_byte(struct writer *w, uint8_t b) {
	if (w->used < w->room)
		w->at[w->used++] = b;
	else
		w->full = true;
}

static void write_varint(struct writer *w, uint64_t v) {
	for (; v >= 0x80; v >>= 7)
		write_byte(w, (uint8_t)v | 0x80);
	write_byte(w, (uint8_t)v);
}

/* Like protoc, these write nothing for a default value. Fields are below 16. */

static void write_number(struct writer *w, int field, uint64_t v) {
	if (v) {
		write_byte(w, (uint8_t)(field << 3 | VARINT));
		write_varint(w, v);
	}
}

static void write_element(struct writer *w, int field, sluice_str s) {
	write_byte(w, (uint8_t)(field << 3 | BYTES));
	write_varint(w, s.length);
	if (s.length > w->room - w->used) {
		w->full = true;
		return;
	}
	copy(w->at + w->used, s.at, s.length);
	w->used += s.length;
}

static void write_text(struct writer *w, int field, sluice_str s) {
	if (s.length)
		write_element(w, field, s);
}

static void write_texts(struct writer *w, int field, sluice_strs list) {
	for (size_t i = 0; i < list.count; i++)
		write_element(w, field, list.at[i]);
}

/* An embedded message: one byte is left for its length, and more made when it is too few. */
static size_t open_message(struct writer *w, int field) {
	write_byte(w, (uint8_t)(field << 3 | BYTES));
	write_byte(w, 0);
	return w->used;
}

static void close_message(struct writer *w, size_t start) {
	if (w->full)
		return;
	size_t length = w->used - start, extra = 0;
	for (size_t rest = length >> 7; rest; rest >>= 7)
		extra++;
	if (extra > w->room - w->used) {
		w->full = true;
		return;
	}
	for (size_t i = length; extra && i-- > 0;)
		w->at[start + extra + i] = w->at[start + i];
	struct writer head = {w->at + start - 1, 0, extra + 1, false};
	write_varint(&head, length);
	w->used += extra;
}

/* For messages that mean the same when they are empty and when they are not there. */
static void close_unless_empty(struct writer *w, size_t start) {
	if (!w->full && w->used == start)
		w->used -= 2;
	else
		close_message(w, start);
}

static void write_requirements(struct writer *w, const sluice_selector *s) {
	for (size_t i = 0; i < s->count; i++) {
		size_t at = open_message(w, 1);
		write_text(w, 1, s->requirements[i].key);
		write_number(w, 2, s->requirements[i].operator);
		write_texts(w, 3, s->requirements[i].values);
		close_message(w, at);
	}
}

static void write_blocks(struct writer *w, int field, const sluice_block *blocks, size_t count) {
	for (size_t i = 0; i < count; i++) {
		size_t at = open_message(w, field);
		write_text(w, 1, blocks[i].cidr);
		write_texts(w, 2, blocks[i].except);
		close_message(w, at);
	}
}

static void write_set(struct writer *w, const sluice_set *s) {
	if (!s->kind)
		return;
	size_t at = open_message(w, (int)s->kind), inner;
	switch (s->kind) {
	case SLUICE_PODS:
		write_texts(w, 1, s->pods.namespaces);
		if (s->pods.namespace_selector) { /* empty is "every namespace": it must be written */
			inner = open_message(w, 2);
			write_requirements(w, s->pods.namespace_selector);
			close_message(w, inner);
		}
		inner = open_message(w, 3);
		write_requirements(w, &s->pods.pod_selector);
		close_unless_empty(w, inner);
		break;
	case SLUICE_NODES:
		inner = open_message(w, 1);
		write_requirements(w, &s->nodes);
		close_unless_empty(w, inner);
		break;
	case SLUICE_ADDRESSES:
		write_blocks(w, 1, s->blocks.at, s->blocks.count);
		break;
	}
	close_message(w, at);
}

static void write_origin(struct writer *w, int field, const sluice_origin *o) {
	size_t at = open_message(w, field);
	write_text(w, 1, o->resource);
	write_text(w, 2, o->namespace);
	write_text(w, 3, o->name);
	write_text(w, 4, o->rule);
	close_unless_empty(w, at);
}

static void write_port(struct writer *w, const sluice_port *p) {
	size_t at = open_message(w, 7);
	write_number(w, 1, p->protocol);
	write_number(w, 2, p->first);
	write_number(w, 3, p->last);
	write_text(w, 4, p->name);
	if (p->icmp) { /* empty is "type 0, code 0": it must be written */
		size_t icmp = open_message(w, 5);
		write_number(w, 1, p->icmp->type);
		write_number(w, 2, p->icmp->code);
		write_number(w, 3, p->icmp->any_code);
		close_message(w, icmp);
	}
	close_message(w, at);
}

static void write_rule(struct writer *w, const sluice_rule *r) {
	size_t at = open_message(w, 2);
	write_number(w, 1, r->tier);
	write_number(w, 2, r->direction);
	write_number(w, 3, (uint64_t)(int64_t)r->priority);
	write_texts(w, 4, r->subjects);
	write_texts(w, 5, r->peers);
	write_number(w, 6, r->any_peer);
	for (size_t i = 0; i < r->ports.count; i++)
		write_port(w, &r->ports.at[i]);
	write_number(w, 8, r->action);
	write_number(w, 9, r->log);
	write_origin(w, 10, &r->origin);
	close_unless_empty(w, at);
}

static void write_isolation(struct writer *w, const sluice_isolation *i) {
	size_t at = open_message(w, 2);
	write_number(w, 1, i->tier);
	write_number(w, 2, i->direction);
	write_texts(w, 3, i->subjects);
	write_origin(w, 4, &i->origin);
	close_unless_empty(w, at);
}

static void write_condition(struct writer *w, const sluice_condition *c) {
	size_t at = open_message(w, 2);
	write_text(w, 1, c->type);
	write_number(w, 2, c->status);
	write_text(w, 3, c->reason);
	write_text(w, 4, c->message);
	close_unless_empty(w, at);
}

/* One request: its kind is its field in FlowRequest, and says which member is read. */
enum { PUT_SET = 1, PATCH_SET, DELETE_SET, PUT_RULE, DELETE_RULE, PUT_ISOLATION, DELETE_ISOLATION, REPORT };

struct request {
	int kind;
	sluice_str name;
	const sluice_set *set;
	const sluice_block *add;
	size_t adds;
	sluice_strs remove;
	const sluice_rule *rule;
	const sluice_isolation *isolation;
	const sluice_origin *object;
	const sluice_condition *condition;
};

static void write_request(struct writer *w, const struct request *r) {
	size_t outer = open_message(w, 1), at = open_message(w, r->kind);
	write_text(w, 1, r->name);
	switch (r->kind) {
	case PUT_SET:
		write_set(w, r->set);
		break;
	case PATCH_SET:
		write_blocks(w, 2, r->add, r->adds);
		write_texts(w, 3, r->remove);
		break;
	case PUT_RULE:
		write_rule(w, r->rule);
		break;
	case PUT_ISOLATION:
		write_isolation(w, r->isolation);
		break;
	case REPORT:
		write_origin(w, 1, r->object);
		write_condition(w, r->condition);
		break;
	}
	close_message(w, at);
	close_message(w, outer);
}

/* ---- A transaction ------------------------------------------------------- */

/* What goes to the host in one call of emit, unless a single request is larger. */
enum { CHUNK = 64 << 10, LARGEST = 1 << 20, BLOCKS_PER_REQUEST = 1024 };

struct sluice_tx {
	const sluice_output *out;
	struct memory *memory;
	bool failed;
	struct writer w;
	uint8_t chunk[CHUNK];
};

void *sluice_scratch(sluice_tx *tx, size_t bytes) { return take(tx->memory, bytes); }

void sluice_log(sluice_tx *tx, sluice_log_level level, sluice_str text) { tx->out->log(tx->out->self, level, text); }

void sluice_fail(sluice_tx *tx, sluice_str why) {
	sluice_log(tx, SLUICE_ERROR, why);
	tx->failed = true;
}

sluice_str sluice_join_all(sluice_tx *tx, sluice_strs parts) {
	size_t length = 0;
	for (size_t i = 0; i < parts.count; i++)
		length += parts.at[i].length;
	char *text = sluice_scratch(tx, length);
	sluice_str all = {text, length};
	for (size_t i = 0; i < parts.count; i++) {
		copy(text, parts.at[i].at, parts.at[i].length);
		text += parts.at[i].length;
	}
	return all;
}

static bool emit(sluice_tx *tx, const struct writer *w) {
	switch (w->used ? tx->out->emit(tx->out->self, w->at, w->used) : 0) {
	case 0:
		return true;
	case -1:
		sluice_fail(tx, SLUICE_STR("the host refuses: malformed request (-1)"));
		break;
	case -2:
		sluice_fail(tx, SLUICE_STR("the host refuses: too large for one call of emit (-2)"));
		break;
	case -3:
		sluice_fail(tx, SLUICE_STR("the host refuses: not granted to this module (-3)"));
		break;
	case -4:
		sluice_fail(tx, SLUICE_STR("the host refuses: over a limit of this module (-4)"));
		break;
	case -5:
		sluice_fail(tx, SLUICE_STR("the host refuses: names a set that does not exist (-5)"));
		break;
	default:
		sluice_fail(tx, SLUICE_STR("the host refuses, for a reason that this version does not know"));
	}
	return false;
}

static bool flush(sluice_tx *tx) {
	bool ok = !tx->failed && emit(tx, &tx->w);
	tx->w.used = 0;
	return ok;
}

static bool stage(sluice_tx *tx, const struct request *r) {
	if (tx->failed)
		return false;
	size_t before = tx->w.used;
	write_request(&tx->w, r);
	if (!tx->w.full)
		return true;
	tx->w.full = false;
	tx->w.used = before;
	if (!flush(tx))
		return false;
	for (size_t room = 2 * CHUNK; room <= LARGEST; room *= 2) {
		struct writer w = {sluice_scratch(tx, room), 0, room, false};
		write_request(&w, r);
		if (!w.full)
			return emit(tx, &w);
	}
	sluice_fail(tx, sluice_join(tx, SLUICE_STR("a request has more than 1 MiB: "), r->name));
	return false;
}

bool sluice_patch_set(sluice_tx *tx, sluice_str name, const sluice_block *add, size_t adds, sluice_strs remove) {
	while (adds + remove.count > BLOCKS_PER_REQUEST) { /* in parts: removals, then additions */
		size_t removes = remove.count < BLOCKS_PER_REQUEST ? remove.count : BLOCKS_PER_REQUEST;
		size_t some = BLOCKS_PER_REQUEST - removes < adds ? BLOCKS_PER_REQUEST - removes : adds;
		struct request r = {.kind = PATCH_SET, .name = name, .add = add, .adds = some, .remove = {remove.at, removes}};
		if (!stage(tx, &r))
			return false;
		add += some, adds -= some;
		remove.at += removes, remove.count -= removes;
	}
	return stage(tx, &(struct request){.kind = PATCH_SET, .name = name, .add = add, .adds = adds, .remove = remove});
}

bool sluice_put_set(sluice_tx *tx, sluice_str name, const sluice_set *set) {
	if (set->kind != SLUICE_ADDRESSES || set->blocks.count <= BLOCKS_PER_REQUEST)
		return stage(tx, &(struct request){.kind = PUT_SET, .name = name, .set = set});
	sluice_set first = {.kind = SLUICE_ADDRESSES, .blocks = {set->blocks.at, BLOCKS_PER_REQUEST}};
	return stage(tx, &(struct request){.kind = PUT_SET, .name = name, .set = &first}) &&
	       sluice_patch_set(tx, name, set->blocks.at + BLOCKS_PER_REQUEST, set->blocks.count - BLOCKS_PER_REQUEST, (sluice_strs){0});
}

bool sluice_delete_set(sluice_tx *tx, sluice_str name) {
	return stage(tx, &(struct request){.kind = DELETE_SET, .name = name});
}

bool sluice_put_rule(sluice_tx *tx, sluice_str name, const sluice_rule *rule) {
	return stage(tx, &(struct request){.kind = PUT_RULE, .name = name, .rule = rule});
}

bool sluice_delete_rule(sluice_tx *tx, sluice_str name) {
	return stage(tx, &(struct request){.kind = DELETE_RULE, .name = name});
}

bool sluice_put_isolation(sluice_tx *tx, sluice_str name, const sluice_isolation *isolation) {
	return stage(tx, &(struct request){.kind = PUT_ISOLATION, .name = name, .isolation = isolation});
}

bool sluice_delete_isolation(sluice_tx *tx, sluice_str name) {
	return stage(tx, &(struct request){.kind = DELETE_ISOLATION, .name = name});
}

bool sluice_report(sluice_tx *tx, const sluice_origin *object, const sluice_condition *condition) {
	return stage(tx, &(struct request){.kind = REPORT, .object = object, .condition = condition});
}

/* ---- Reading events ------------------------------------------------------ */

static void misread(sluice_reader *r, const char *why) {
	if (!r->error)
		r->error = why;
	r->at = r->end;
}

static uint64_t read_varint(sluice_reader *r) {
	uint64_t v = 0;
	for (int shift = 0; r->at < r->end; shift += 7) {
		uint8_t c = *r->at++;
		if (shift == 63 && c > 1) {
			misread(r, "a varint is longer than 64 bits");
			return 0;
		}
		v |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80)
			return v;
	}
	misread(r, "a varint is cut short");
	return 0;
}

struct field {
	uint64_t number;
	int wire;
};

static bool read_field(sluice_reader *r, struct field *f) {
	if (r->error || r->at >= r->end)
		return false;
	uint64_t key = read_varint(r);
	f->number = key >> 3;
	f->wire = (int)(key & 7);
	if (!r->error && (f->number == 0 || f->number > (1u << 29) - 1))
		misread(r, "a field number is not between 1 and 536870911");
	return !r->error;
}

static sluice_reader read_bytes(sluice_reader *r, const struct field *f) {
	sluice_reader inner = {0};
	if (f->wire != BYTES) {
		misread(r, "a field has the wrong wire type");
		return inner;
	}
	uint64_t length = read_varint(r);
	if (length > (uint64_t)(r->end - r->at)) {
		misread(r, "a field is cut short");
		return inner;
	}
	inner.at = r->at;
	inner.end = r->at += length;
	return inner;
}

static sluice_str read_json(sluice_reader *r, const struct field *f) {
	sluice_reader bytes = read_bytes(r, f);
	return (sluice_str){(const char *)bytes.at, (size_t)(bytes.end - bytes.at)};
}

static sluice_str read_text(sluice_reader *r, const struct field *f) {
	sluice_str text = read_json(r, f);
	if (!is_utf8(text.at, text.length))
		misread(r, "a text is not valid UTF-8");
	return text;
}

static uint64_t read_number(sluice_reader *r, const struct field *f) {
	if (f->wire != VARINT)
		misread(r, "a field has the wrong wire type");
	return read_varint(r);
}

static void read_past(sluice_reader *r, const struct field *f) {
	ptrdiff_t fixed = f->wire == FIXED64 ? 8 : 4;
	switch (f->wire) {
	case VARINT:
		read_varint(r);
		break;
	case BYTES:
		read_bytes(r, f);
		break;
	case FIXED32:
	case FIXED64:
		if (r->end - r->at < fixed)
			misread(r, "a field is cut short");
		else
			r->at += fixed;
		break;
	default:
		misread(r, "a field has an unknown wire type");
	}
}

bool sluice_read_head(sluice_reader r, uint64_t *sequence, bool *reset) {
	*sequence = 0;
	*reset = false;
	for (struct field f; read_field(&r, &f);) {
		if (f.number == 1)
			*sequence = read_number(&r, &f);
		else if (f.number == 2)
			*reset = read_number(&r, &f) != 0;
		else
			read_past(&r, &f);
	}
	return !r.error;
}

static void read_event_fields(sluice_reader *r, sluice_event *e) {
	sluice_object *o = &e->object;
	for (struct field f; read_field(r, &f);) {
		if (e->kind == SLUICE_TICK && f.number == 1)
			e->unix_nanos = (int64_t)read_number(r, &f);
		else if (e->kind == SLUICE_CONFIGURE && f.number == 1)
			o->json = read_json(r, &f);
		else if (e->kind == SLUICE_OBJECT_PUT && f.number == 5)
			o->generation = (int64_t)read_number(r, &f);
		else if (e->kind == SLUICE_OBJECT_PUT && f.number == 6)
			o->json = read_json(r, &f);
		else if (e->kind == SLUICE_TICK || e->kind == SLUICE_CONFIGURE || f.number > 4)
			read_past(r, &f);
		else
			*(sluice_str *[]){&o->resource, &o->namespace, &o->name, &o->uid}[f.number - 1] = read_text(r, &f);
	}
}

bool sluice_read_event(sluice_reader *r, sluice_event *e) {
	for (struct field f; read_field(r, &f);) {
		if (f.number != 3) {
			read_past(r, &f);
			continue;
		}
		sluice_reader event = read_bytes(r, &f);
		*e = (sluice_event){0};
		for (struct field kind; read_field(&event, &kind);) {
			if (kind.number > SLUICE_TICK) {
				read_past(&event, &kind);
				continue;
			}
			if (e->kind != (sluice_event_kind)kind.number) /* the last kind wins, parts of one are merged */
				*e = (sluice_event){.kind = (sluice_event_kind)kind.number};
			sluice_reader fields = read_bytes(&event, &kind);
			read_event_fields(&fields, e);
			if (fields.error)
				misread(&event, fields.error);
		}
		if (event.error)
			misread(r, event.error);
		else if (e->kind != SLUICE_NO_EVENT)
			return true;
	}
	return false;
}

/* ---- JSON ---------------------------------------------------------------- */

enum { INSIDE, FRESH, ABSENT, DEEPEST = 256 };

sluice_json sluice_json_of(sluice_tx *tx, sluice_str text) {
	return (sluice_json){.tx = tx, .at = text.at, .end = text.at + text.length};
}

const char *sluice_json_error(const sluice_json *j) { return j->error; }

static void json_fail(sluice_json *j, const char *why) {
	if (!j->error)
		j->error = why;
	j->at = j->end;
}

/* The next byte that is no white space; 0 at the end and after a fault. */
static char json_peek(sluice_json *j) {
	while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r'))
		j->at++;
	return j->at < j->end ? *j->at : 0;
}

static void json_expect(sluice_json *j, sluice_str word, const char *otherwise) {
	if ((size_t)(j->end - j->at) < word.length || !sluice_equal((sluice_str){j->at, word.length}, word))
		json_fail(j, otherwise);
	else
		j->at += word.length;
}

static bool json_null(sluice_json *j) {
	if (json_peek(j) != 'n')
		return false;
	json_expect(j, SLUICE_STR("null"), "an unknown word");
	return true;
}

static int hex_digit(char c) {
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The UTF-16 unit of the four digits at p, which are there; -1 if they are none. */
static int32_t json_unit(const char *p) {
	int32_t unit = 0;
	for (int i = 0; i < 4; i++) {
		if (hex_digit(p[i]) < 0)
			return -1;
		unit = unit << 4 | hex_digit(p[i]);
	}
	return unit;
}

/* Passes over a string, from its first quote, and checks it. */
static sluice_str json_raw(sluice_json *j, bool *escaped) {
	*escaped = false;
	json_expect(j, SLUICE_STR("\""), "no text where one should be");
	const char *start = j->at;
	for (; j->at < j->end && *j->at != '"'; j->at++) {
		if ((uint8_t)*j->at < ' ') {
			json_fail(j, "a bare control character in a text");
			return (sluice_str){0};
		}
		if (*j->at != '\\')
			continue;
		*escaped = true;
		char c = ++j->at < j->end ? *j->at : 0;
		bool simple = c == '"' || c == '\\' || c == '/' || c == 'b' || c == 'f' || c == 'n' || c == 'r' || c == 't';
		if (!simple && (c != 'u' || j->end - j->at < 5 || json_unit(j->at + 1) < 0)) {
			json_fail(j, "an illegal escape in a text");
			return (sluice_str){0};
		}
		j->at += simple ? 0 : 4;
	}
	sluice_str raw = {start, (size_t)(j->at - start)};
	json_expect(j, SLUICE_STR("\""), "a text has no end");
	if (!j->error && !is_utf8(raw.at, raw.length))
		json_fail(j, "a text is not valid UTF-8");
	return j->error ? (sluice_str){0} : raw;
}

static char *put_rune(char *to, int32_t r) {
	if (r < 0x80) {
		*to++ = (char)r;
		return to;
	}
	int more = r < 0x800 ? 1 : r < 0x10000 ? 2 : 3;
	*to++ = (char)((0xff00 >> (more + 1) & 0xff) | r >> 6 * more);
	while (more-- > 0)
		*to++ = (char)(0x80 | (r >> 6 * more & 0x3f));
	return to;
}

/* The meaning of a checked text with escapes: never longer than it. Half of a surrogate pair becomes U+FFFD. */
static sluice_str json_unescape(sluice_json *j, sluice_str raw) {
	char *text = sluice_scratch(j->tx, raw.length), *to = text;
	for (const char *p = raw.at, *end = raw.at + raw.length; p < end;) {
		if (*p != '\\') {
			*to++ = *p++;
			continue;
		}
		p += 2;
		switch (p[-1]) {
		case 'b': *to++ = '\b'; break;
		case 'f': *to++ = '\f'; break;
		case 'n': *to++ = '\n'; break;
		case 'r': *to++ = '\r'; break;
		case 't': *to++ = '\t'; break;
		case 'u': {
			int32_t r = json_unit(p);
			p += 4;
			if (r >= 0xd800 && r < 0xe000) {
				int32_t low = r < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? json_unit(p + 2) : 0;
				bool pair = low >= 0xdc00 && low < 0xe000;
				r = pair ? 0x10000 + ((r - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
				p += pair ? 6 : 0;
			}
			to = put_rune(to, r);
			break;
		}
		default: *to++ = p[-1];
		}
	}
	return (sluice_str){text, (size_t)(to - text)};
}

sluice_str sluice_json_string(sluice_json *j) {
	bool escaped;
	if (j->error || json_null(j))
		return (sluice_str){0};
	sluice_str raw = json_raw(j, &escaped);
	return escaped && !j->error ? json_unescape(j, raw) : raw;
}

static bool json_digits(sluice_json *j) {
	const char *start = j->at;
	while (j->at < j->end && *j->at >= '0' && *j->at <= '9')
		j->at++;
	return j->at > start;
}

/* Passes over a number; whole says that it has neither fraction nor exponent. */
static sluice_str json_number(sluice_json *j, bool *whole) {
	*whole = true;
	json_peek(j);
	const char *start = j->at;
	if (j->at < j->end && *j->at == '-')
		j->at++;
	bool good = true;
	if (j->at < j->end && *j->at == '0')
		j->at++;
	else
		good = json_digits(j);
	if (good && j->at < j->end && *j->at == '.') {
		*whole = false;
		j->at++;
		good = json_digits(j);
	}
	if (good && j->at < j->end && (*j->at == 'e' || *j->at == 'E')) {
		*whole = false;
		j->at++;
		if (j->at < j->end && (*j->at == '+' || *j->at == '-'))
			j->at++;
		good = json_digits(j);
	}
	if (!good)
		json_fail(j, "no value where one should be");
	return (sluice_str){start, (size_t)(j->at - start)};
}

int64_t sluice_json_integer(sluice_json *j) {
	bool whole;
	if (j->error || json_null(j))
		return 0;
	sluice_str digits = json_number(j, &whole);
	if (j->error)
		return 0;
	bool negative = digits.at[0] == '-';
	uint64_t v = 0, limit = (uint64_t)INT64_MAX + negative;
	for (size_t i = negative; whole && i < digits.length; i++) {
		unsigned d = (unsigned)(digits.at[i] - '0');
		if (v > (limit - d) / 10)
			whole = false;
		v = v * 10 + d;
	}
	if (!whole) {
		json_fail(j, "a number is no integer of 64 bits");
		return 0;
	}
	return (int64_t)(negative ? 0 - v : v);
}

bool sluice_json_bool(sluice_json *j) {
	if (j->error || json_null(j))
		return false;
	bool yes = json_peek(j) == 't';
	json_expect(j, yes ? SLUICE_STR("true") : SLUICE_STR("false"), "neither true nor false");
	return yes && !j->error;
}

static void json_enter(sluice_json *j, char bracket, const char *otherwise) {
	if (j->error)
		return;
	if (json_null(j)) {
		j->state = ABSENT;
	} else {
		json_expect(j, (sluice_str){&bracket, 1}, otherwise);
		j->state = FRESH;
	}
}

void sluice_json_object(sluice_json *j) { json_enter(j, '{', "no object where one should be"); }
void sluice_json_array(sluice_json *j) { json_enter(j, '[', "no array where one should be"); }

/* To the next member of what was entered; false where it ends. */
static bool json_member(sluice_json *j, char bracket) {
	if (!j->error && j->state != ABSENT && j->state != FRESH && j->unread == j->at)
		sluice_json_skip(j);
	if (j->error || j->state == ABSENT || json_peek(j) == bracket) {
		j->at += !j->error && j->state != ABSENT;
		j->state = INSIDE; /* of what is around it */
		j->unread = NULL;
		return false;
	}
	if (j->state != FRESH)
		json_expect(j, SLUICE_STR(","), "no comma where one should be");
	j->state = INSIDE;
	json_peek(j);
	j->unread = j->at;
	return !j->error;
}

bool sluice_json_element(sluice_json *j) { return json_member(j, ']'); }

bool sluice_json_key(sluice_json *j, sluice_str *key) {
	bool escaped;
	if (!json_member(j, '}'))
		return false;
	*key = json_raw(j, &escaped);
	if (escaped && !j->error)
		*key = json_unescape(j, *key);
	json_peek(j);
	json_expect(j, SLUICE_STR(":"), "no colon where one should be");
	json_peek(j);
	j->unread = j->at;
	return !j->error;
}

static void json_skip(sluice_json *j, int depth) {
	bool ignored;
	sluice_str key;
	switch (json_peek(j)) {
	case '{':
	case '[':
		if (depth == DEEPEST) {
			json_fail(j, "nested more than 256 deep");
			return;
		}
		if (*j->at == '{')
			for (sluice_json_object(j); sluice_json_key(j, &key);)
				json_skip(j, depth + 1);
		else
			for (sluice_json_array(j); sluice_json_element(j);)
				json_skip(j, depth + 1);
		break;
	case '"':
		json_raw(j, &ignored);
		break;
	case 't':
	case 'f':
		sluice_json_bool(j);
		break;
	case 'n':
		json_null(j);
		break;
	default:
		json_number(j, &ignored);
	}
}

void sluice_json_skip(sluice_json *j) {
	if (!j->error)
		json_skip(j, 0);
}

/* ---- A call -------------------------------------------------------------- */

static int32_t run(struct memory *m, const sluice_module *module, const sluice_output *out, const void *batch, size_t length) {
	sluice_reader r = {batch, (const uint8_t *)batch + length, NULL};
	uint64_t sequence;
	bool reset;
	sluice_tx *tx = take(m, sizeof *tx);
	tx->out = out;
	tx->memory = m;
	tx->failed = false;
	tx->w = (struct writer){tx->chunk, 0, CHUNK, false};
	bool readable = sluice_read_head(r, &sequence, &reset);
	if (readable && reset && module->reset)
		module->reset(module->self);
	for (sluice_event e; readable && sluice_read_event(&r, &e);) {
		if (e.kind == SLUICE_CONFIGURE && module->configure)
			module->configure(module->self, tx, e.object.json);
		else if (e.kind == SLUICE_OBJECT_PUT && module->put)
			module->put(module->self, tx, &e.object);
		else if (e.kind == SLUICE_OBJECT_DELETE && module->gone)
			module->gone(module->self, tx, &e.object);
		else if (e.kind == SLUICE_TICK && module->tick)
			module->tick(module->self, tx, e.unix_nanos);
	}
	if (!readable || r.error) {
		sluice_log(tx, SLUICE_ERROR, SLUICE_STR("the batch does not read: the host does not speak this version of the ABI"));
		return SLUICE_UNREADABLE;
	}
	if (module->finish)
		module->finish(module->self, tx);
	return flush(tx) ? SLUICE_COMMIT : SLUICE_CANNOT_DO;
}

#ifdef __wasm__

#define IMPORT(name) __attribute__((import_module("sluice"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

IMPORT("recv") int32_t sluice_import_recv(void *to, uint32_t room);
IMPORT("emit") int32_t sluice_import_emit(const void *requests, uint32_t length);
IMPORT("log") void sluice_import_log(int32_t level, const void *text, uint32_t length);

static int32_t emit_to_host(void *self, const void *requests, size_t length) {
	(void)self;
	return sluice_import_emit(requests, length);
}

static void log_to_host(void *self, sluice_log_level level, sluice_str text) {
	(void)self;
	sluice_import_log(level, text.at, text.length);
}

EXPORT("sluice_abi_v1") void sluice_abi_v1(void) {}

EXPORT("sluice_handle") int32_t sluice_handle(uint32_t length) {
	static struct memory memory; /* of this instance: its pages serve every batch */
	static const sluice_output host = {NULL, emit_to_host, log_to_host};
	void *batch = take(&memory, length);
	int32_t received = sluice_import_recv(batch, length);
	if (received < 0)
		__builtin_trap();
	int32_t answer = run(&memory, &sluice_this, &host, batch, (size_t)received);
	give_back(&memory);
	return answer;
}

#else

int32_t sluice_run(const sluice_module *module, const sluice_output *out, const void *batch, size_t length) {
	struct memory memory = {0};
	int32_t answer = run(&memory, module, out, batch, length);
	give_back(&memory);
	return answer;
}

#endif
