/*
 * The codec against the vectors of abi/testdata/golden, which protoc has made.
 *
 *	golden DIR           checks every vector
 *	golden DIR NAME      writes the requests of a vector as protobuf text
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../testing/text.h"

#define S SLUICE_STR
static const char *directory;
static int failures;

static struct bytes load(const char *name) {
	struct bytes b = {0};
	char path[4096], block[4096];
	snprintf(path, sizeof path, "%s/%s.bin", directory, name);
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		exit(2);
	}
	bytes_add(&b, "", 0);
	for (size_t n; (n = fread(block, 1, sizeof block, f));)
		bytes_add(&b, block, n);
	fclose(f);
	return b;
}

static void same(const char *name, const struct bytes *got, const struct bytes *want) {
	if (got->length == want->length && (!got->length || !memcmp(got->at, want->at, got->length)))
		return;
	failures++;
	fprintf(stderr, "%s: %zu bytes, want %zu; they differ\n", name, got->length, want->length);
}

/* ---- Events: read and written again, a batch is the same; the shapes of other
 * versions read as what they mean here. ---- */

static struct bytes again(const char *name, struct bytes batch) {
	struct bytes out = {0};
	uint64_t sequence;
	bool reset;
	sluice_reader r = {(uint8_t *)batch.at, (uint8_t *)batch.at + batch.length, NULL};
	if (!sluice_read_head(r, &sequence, &reset))
		r.error = "the head does not read";
	batch_number(&out, 1, sequence);
	batch_number(&out, 2, reset);
	for (sluice_event e; sluice_read_event(&r, &e);)
		batch_add(&out, &e);
	if (r.error) {
		failures++;
		fprintf(stderr, "%s: %s\n", name, r.error);
	}
	return out;
}

static void check_batch(const char *name, uint64_t sequence, bool reset, const sluice_event *events, size_t count) {
	struct bytes file = load(name), want = {0};
	batch_number(&want, 1, sequence);
	batch_number(&want, 2, reset);
	for (size_t i = 0; i < count; i++)
		batch_add(&want, &events[i]);
	if (strncmp(name, "variant", 7))
		same(name, &want, &file); /* the writer of events is right: then so is the comparison below */
	struct bytes got = again(name, file);
	same(name, &got, &want);
	free(file.at);
	free(want.at);
	free(got.at);
}

#define BATCH(name, sequence, reset, ...) \
	check_batch(name, sequence, reset, (sluice_event[]){__VA_ARGS__}, sizeof((sluice_event[]){__VA_ARGS__}) / sizeof(sluice_event))
#define PUT(...) {.kind = SLUICE_OBJECT_PUT, .object = {__VA_ARGS__}}
#define TICK(nanos) {.kind = SLUICE_TICK, .unix_nanos = nanos}

static void check_batches(void) {
	static char a[127], b[128], x[20000];
	memset(a, 'a', sizeof a);
	memset(b, 'b', sizeof b);
	memset(x, 'x', sizeof x);
	sluice_str policies = S("networkpolicies.networking.k8s.io");
	check_batch("batch-empty", 0, false, NULL, 0);
	BATCH("batch-every-field", 7, true,
		{.kind = SLUICE_CONFIGURE, .object.json = S("{\"logDenied\":true}")},
		PUT(policies, S("shop"), S("db-from-web"), S("0b9a3c0e-6d7e-4d0a-9f64-2b9f5f0c1a11"), 3, S("{\"spec\":{}}")),
		PUT(policies, S("shop"), S("web"), S("u2"), 1, S("\x00\xff not JSON: the codec does not look")),
		{.kind = SLUICE_OBJECT_DELETE, .object = {S("pods"), S("shop"), S("db-0"), S("u3"), 0, {0}}},
		PUT(S("namespaces"), {0}, S("caf\xc3\xa9"), {0}, 0, {0}),
		TICK(1795393658000000000));
	BATCH("batch-extremes", UINT64_MAX, false,
		PUT(.name = S("min"), .generation = INT64_MIN), PUT(.name = S("max"), .generation = INT64_MAX),
		PUT(.name = S("minus-one"), .generation = -1), TICK(-1));
	BATCH("batch-kinds-without-fields", 0, false,
		{.kind = SLUICE_CONFIGURE}, {.kind = SLUICE_OBJECT_PUT}, {.kind = SLUICE_OBJECT_DELETE}, {.kind = SLUICE_TICK});
	BATCH("batch-long-json", 300, false,
		PUT(.resource = S("pods"), .json = {a, sizeof a}), PUT(.resource = S("pods"), .json = {b, sizeof b}),
		PUT(.resource = S("pods"), .json = {x, sizeof x}));
	BATCH("batch-readme", 1, true,
		{.kind = SLUICE_CONFIGURE}, PUT(S("namespaces"), {0}, S("shop"), S("u1"), 1, S("{\"a\":1}")));
	BATCH("variant-batch-unknown", 9, false, TICK(5));
	BATCH("variant-batch-repeated", 2, false, TICK(2), PUT(.name = S("a"), .uid = S("b"), .generation = 2));
}

/* ---- Batches that must be refused ---- */

static void check_refused(void) {
	static const struct {
		const char *what;
		size_t length;
		uint8_t bytes[24];
	} cases[] = {
		{"a length cut short", 1, {0x1a}},
		{"an event cut short", 2, {0x1a, 5}},
		{"a varint of 11 bytes", 12, {8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}},
		{"a varint of 65 bits", 11, {8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2}},
		{"field number 0", 2, {0, 0}},
		{"a field number above the largest", 7, {0x80, 0x80, 0x80, 0x80, 0x10, 0, 0}},
		{"a group", 2, {0x23, 0x24}},
		{"a sequence that is a text", 3, {0x0a, 1, 'x'}},
		{"an event that is a number", 2, {0x18, 1}},
		{"a name that is a number", 6, {0x1a, 4, 0x12, 2, 0x18, 1}},
		{"a generation that is a text", 7, {0x1a, 5, 0x12, 3, 0x2a, 1, 'x'}},
		{"a name that is not UTF-8", 7, {0x1a, 5, 0x12, 3, 0x1a, 1, 0xff}},
		{"a surrogate in a name", 9, {0x1a, 7, 0x12, 5, 0x1a, 3, 0xed, 0xa0, 0x80}},
		{"an overlong slash in a name", 8, {0x1a, 6, 0x12, 4, 0x1a, 2, 0xc0, 0xaf}},
		{"an unknown fixed64 cut short", 4, {0x21, 1, 2, 3}},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		sluice_reader r = {cases[i].bytes, cases[i].bytes + cases[i].length, NULL};
		uint64_t sequence;
		bool reset;
		bool good = sluice_read_head(r, &sequence, &reset);
		for (sluice_event e; good && sluice_read_event(&r, &e);)
			;
		if (good && !r.error) {
			failures++;
			fprintf(stderr, "%s is not refused\n", cases[i].what);
		}
	}
}

/* ---- Requests: built with the SDK, they are what protoc makes ---- */

static void sets(void *self, sluice_tx *tx) {
	(void)self;
	sluice_selector team = {(sluice_requirement[]){{S("team"), SLUICE_IN, SLUICE_STRS(S("a"), S("b"))}}, 1}, every = {0};
	sluice_put_set(tx, S("pods-of-shop"), &(sluice_set){.kind = SLUICE_PODS, .pods = {
		.namespaces = SLUICE_STRS(S("shop"), S("stock")),
		.namespace_selector = &team,
		.pod_selector = {(sluice_requirement[]){
			{S("app"), SLUICE_NOT_IN, SLUICE_STRS(S("db"))}, {S("tier"), SLUICE_EXISTS, {0}}, {S("old"), SLUICE_DOES_NOT_EXIST, {0}}}, 3},
	}});
	sluice_put_set(tx, S("everything"), &(sluice_set){.kind = SLUICE_PODS, .pods.namespace_selector = &every});
	sluice_put_set(tx, S("empty-strings"), &(sluice_set){.kind = SLUICE_PODS, .pods.namespaces = SLUICE_STRS(S(""), S("x"))});
	sluice_put_set(tx, S("workers"), &(sluice_set){.kind = SLUICE_NODES,
		.nodes = {(sluice_requirement[]){{S("role"), SLUICE_IN, SLUICE_STRS(S("worker"))}}, 1}});
	sluice_put_set(tx, S("all-nodes"), &(sluice_set){.kind = SLUICE_NODES});
	sluice_put_set(tx, S("lan"), &(sluice_set){.kind = SLUICE_ADDRESSES, .blocks = {(sluice_block[]){
		{S("10.0.0.0/8"), SLUICE_STRS(S("10.1.0.0/16"), S("10.2.0.0/16"))}, {S("2001:db8::/32"), {0}}}, 2}});
	sluice_put_set(tx, S("no-address"), &(sluice_set){.kind = SLUICE_ADDRESSES});
	sluice_put_set(tx, S("no-spec"), &(sluice_set){0});
	sluice_patch_set(tx, S("lan"), (sluice_block[]){{S("192.0.2.0/24"), SLUICE_STRS(S("192.0.2.1/32"))}, {{0}, {0}}}, 2,
		SLUICE_STRS(S("10.0.0.0/8"), S("2001:db8::/32")));
	sluice_delete_set(tx, S("lan"));
	sluice_delete_set(tx, S(""));
}

static void rules(void *self, sluice_tx *tx) {
	(void)self;
	sluice_str policies = S("networkpolicies.networking.k8s.io");
	sluice_port ports[] = {
		{.protocol = SLUICE_TCP, .first = 5432, .last = 5432},
		{.protocol = SLUICE_UDP, .first = 1, .last = 65535},
		{.protocol = SLUICE_SCTP, .name = S("sctp-port")},
		{.protocol = SLUICE_ICMP, .icmp = &(sluice_icmp){.type = 8, .any_code = true}},
		{.protocol = SLUICE_ICMPV6, .icmp = &(sluice_icmp){.type = 128, .code = 255}},
		{.protocol = SLUICE_ICMP, .icmp = &(sluice_icmp){0}},
		{0},
	};
	sluice_put_rule(tx, S("shop/db-from-web/ingress/0"), &(sluice_rule){
		.tier = SLUICE_NETWORK, .direction = SLUICE_INGRESS, .priority = 1000,
		.subjects = SLUICE_STRS(S("db"), S("cache")), .peers = SLUICE_STRS(S("web")),
		.ports = {ports, 7}, .action = SLUICE_ALLOW, .log = true,
		.origin = {policies, S("shop"), S("db-from-web"), S("ingress[0]")},
	});
	sluice_put_rule(tx, S("deny"), &(sluice_rule){.tier = SLUICE_ADMIN, .direction = SLUICE_EGRESS, .priority = INT32_MIN, .any_peer = true, .action = SLUICE_DENY});
	sluice_put_rule(tx, S("reject"), &(sluice_rule){.tier = SLUICE_BASELINE, .priority = INT32_MAX, .action = SLUICE_REJECT});
	sluice_put_rule(tx, S("pass"), &(sluice_rule){.priority = -1, .action = SLUICE_PASS});
	sluice_put_rule(tx, S("bare"), &(sluice_rule){0});
	sluice_delete_rule(tx, S("pass"));
	sluice_put_isolation(tx, S("iso"), &(sluice_isolation){.tier = SLUICE_NETWORK, .direction = SLUICE_EGRESS,
		.subjects = SLUICE_STRS(S("db")), .origin.name = S("db-from-web")});
	sluice_put_isolation(tx, S(""), &(sluice_isolation){0});
	sluice_delete_isolation(tx, S("iso"));
	sluice_report(tx, &(sluice_origin){policies, S("shop"), S("bad"), S("egress[1]")},
		&(sluice_condition){.type = S("Accepted"), .reason = S("PortName"), .message = S("port \"http\" names nothing")});
	sluice_report(tx, &(sluice_origin){0}, &(sluice_condition){.type = S("Accepted"), .status = true});
	sluice_report(tx, &(sluice_origin){0}, &(sluice_condition){0});
}

static void large(void *self, sluice_tx *tx) {
	(void)self;
	static char name[253];
	static sluice_port ports[399];
	memset(name, 'n', sizeof name);
	for (uint16_t i = 0; i < 399; i++)
		ports[i] = (sluice_port){.protocol = SLUICE_TCP, .first = i + 1, .last = i + 1};
	sluice_put_rule(tx, (sluice_str){name, sizeof name}, &(sluice_rule){.subjects = SLUICE_STRS(S("s")), .ports = {ports, 399}});
}

static void readme(void *self, sluice_tx *tx) {
	(void)self;
	sluice_put_set(tx, S("shop"), &(sluice_set){.kind = SLUICE_PODS, .pods.namespaces = SLUICE_STRS(S("shop"))});
	sluice_put_rule(tx, S("in"), &(sluice_rule){.tier = SLUICE_BASELINE, .direction = SLUICE_INGRESS, .priority = -1,
		.subjects = SLUICE_STRS(S("shop")), .peers = SLUICE_STRS(S("shop")), .action = SLUICE_ALLOW});
}

static int32_t collect(void *self, const void *requests, size_t length) {
	bytes_add(self, requests, length);
	return 0;
}

static void ignore(void *self, sluice_log_level level, sluice_str text) { (void)self, (void)level, (void)text; }

static void check_requests(const char *name, void (*finish)(void *, sluice_tx *)) {
	struct bytes want = load(name), got = {0};
	sluice_run(&(sluice_module){.finish = finish}, &(sluice_output){&got, collect, ignore}, "", 0);
	same(name, &got, &want);
	free(want.at);
	free(got.at);
}

static void print(const char *name) {
	struct bytes file = load(name), out = {0};
	struct span all = {(uint8_t *)file.at, (uint8_t *)file.at + file.length}, request;
	for (size_t i = 0; (request = span_get(all, 1, i)).at; i++) {
		bytes_format(&out, "requests { ");
		text_of_request(&out, request);
		bytes_format(&out, " }\n");
	}
	if (out.length)
		fputs(out.at, stdout);
	free(file.at);
	free(out.at);
}

int main(int argc, char **argv) {
	if (argc < 2)
		return 2;
	directory = argv[1];
	if (argc > 2) {
		print(argv[2]);
		return 0;
	}
	check_batches();
	check_refused();
	check_requests("requests-empty", NULL);
	check_requests("requests-sets", sets);
	check_requests("requests-rules", rules);
	check_requests("requests-large", large);
	check_requests("requests-readme", readme);
	return failures > 0;
}
