/* The event loop: order, transactions, refusals, sets of any size. */
#include <stdio.h>
#include <string.h>

#include "../testing/host.h"

#define S SLUICE_STR

struct state {
	int resets, finishes;
	char seen[64];
	size_t blocks; /* of the set that the next batch puts */
};

static void note(struct state *s, const char *what) { strcat(s->seen, what); }
static void reset(void *self) {
	*(struct state *)self = (struct state){.resets = ((struct state *)self)->resets + 1};
}

static void configure(void *self, sluice_tx *tx, sluice_str json) {
	(void)tx;
	note(self, json.length ? "C" : "c");
}

static void put(void *self, sluice_tx *tx, const sluice_object *o) {
	note(self, "p");
	if (sluice_equal(o->name, S("bad"))) {
		sluice_fail(tx, sluice_join(tx, S("cannot: "), o->name));
		return;
	}
	sluice_str name = sluice_join(tx, o->resource, S("/"), o->name);
	sluice_put_set(tx, name, &(sluice_set){.kind = SLUICE_PODS, .pods.namespaces = SLUICE_STRS(o->name)});
	if (o->json.length == 0)
		return;
	sluice_put_rule(tx, name, &(sluice_rule){.tier = SLUICE_ADMIN, .direction = SLUICE_INGRESS, .action = SLUICE_DENY,
		.any_peer = true, .subjects = SLUICE_STRS(sluice_equal(o->json, S("\"unknown\"")) ? S("nobody") : name)});
}

static void gone(void *self, sluice_tx *tx, const sluice_object *o) {
	note(self, "g");
	sluice_str name = sluice_join(tx, o->resource, S("/"), o->name);
	sluice_delete_rule(tx, name);
	sluice_delete_set(tx, name);
}

static void tick(void *self, sluice_tx *tx, int64_t nanos) {
	(void)tx;
	note(self, nanos == 5 ? "t" : "?");
}

static void finish(void *self, sluice_tx *tx) {
	struct state *s = self;
	s->finishes++;
	if (!s->blocks)
		return;
	sluice_block *all = sluice_scratch(tx, s->blocks * sizeof *all);
	for (size_t i = 0; i < s->blocks; i++) {
		char text[32];
		int length = snprintf(text, sizeof text, "10.%zu.%zu.0/24", i >> 8, i & 255);
		all[i] = (sluice_block){.cidr = sluice_join(tx, (sluice_str){text, (size_t)length})};
	}
	sluice_put_set(tx, S("large"), &(sluice_set){.kind = SLUICE_ADDRESSES, .blocks = {all, s->blocks}});
	s->blocks = 0;
}

static size_t count(const char *text, const char *word) {
	size_t n = 0;
	for (; (text = strstr(text, word)); text += strlen(word))
		n++;
	return n;
}

int main(void) {
	struct state s = {0};
	sluice_module module = {&s, reset, configure, put, gone, tick, finish};
	struct host *h = host_new(&module, NULL);
	CHECK(h, s.resets == 1 && s.finishes == 1 && !strcmp(s.seen, "c"));

	CHECK(h, host_put(h, "namespaces", "", "shop", "{}") == SLUICE_COMMIT);
	CHECK(h, host_has(h, "put_set { name: \"namespaces/shop\" pods { namespaces: \"shop\" } }"));
	CHECK(h, host_has(h, "put_rule { name: \"namespaces/shop\" rule { tier: TIER_ADMIN direction: DIRECTION_INGRESS "
		"subjects: \"namespaces/shop\" any_peer: true action: ACTION_DENY } }"));
	host_tick(h, 5);
	host_configure(h, "{}");
	CHECK(h, !strcmp(s.seen, "cptC"));

	/* A refusal makes the batch void, and so does a failure; both are logged. */
	host_refuse(h, -4);
	CHECK(h, host_put(h, "namespaces", "", "stock", "{}") == SLUICE_CANNOT_DO);
	CHECK(h, strstr(host_log(h), "3 the host refuses: over a limit of this module (-4)\n"));
	CHECK(h, !strstr(host_state(h), "stock"));
	CHECK(h, host_put(h, "namespaces", "", "bad", "{}") == SLUICE_CANNOT_DO);
	CHECK(h, strstr(host_log(h), "3 cannot: bad\n"));
	host_gone(h, "namespaces", "", "bad");
	CHECK(h, host_put(h, "namespaces", "", "lost", "\"unknown\"") == SLUICE_CANNOT_DO);
	CHECK(h, strstr(host_log(h), "names a set that does not exist (-5)\n"));
	host_gone(h, "namespaces", "", "lost");

	/* The whole state makes up for it. */
	CHECK(h, host_reset(h) == SLUICE_COMMIT && s.resets == 2);
	CHECK(h, strstr(host_state(h), "stock"));
	CHECK(h, host_gone(h, "namespaces", "", "stock") == SLUICE_COMMIT);
	CHECK(h, !strstr(host_state(h), "stock"));

	/* A set of any size: in parts, and still one transaction. */
	s.blocks = 2500;
	CHECK(h, host_tick(h, 5) == SLUICE_COMMIT);
	CHECK(h, count(host_requests(h), "put_set") == 1 && count(host_requests(h), "patch_set") == 2);
	CHECK(h, count(host_state(h), "block of \"large\"") == 2500);
	s.blocks = 1;
	host_tick(h, 5);
	CHECK(h, count(host_state(h), "block of \"large\"") == 1);
	/* It came with no object: a reset forgets it, and the history must not know it either. */
	host_reset(h);
	return host_done(h);
}
