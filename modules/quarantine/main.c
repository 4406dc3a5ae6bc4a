/*
 * quarantine cuts Pods off from everything but the namespaces of those who
 * examine them: the Pods that carry a label, and all Pods of the namespaces that
 * carry it. README.md says how to use it.
 *
 * It watches no objects. Who is cut off is a selector, which the host keeps up
 * to date: a Pod is cut off as soon as it has the label, without a call of this
 * module, and also if the module is not running.
 */
#include "sluice.h"

#define S SLUICE_STR

enum { MOST = 16 }; /* values, and namespaces; as in manifest.json */

struct config {
	sluice_str label;
	sluice_str values[MOST], forensics[MOST];
	size_t value_count, forensics_count;
	bool log;
};

static size_t read_list(sluice_json *j, sluice_str list[MOST]) {
	size_t count = 0;
	for (sluice_json_array(j); sluice_json_element(j);) {
		sluice_str s = sluice_json_string(j);
		if (count == MOST && !j->error)
			j->error = "a list has more than 16 elements";
		else if (count < MOST)
			list[count++] = s;
	}
	return count;
}

static struct config read_config(sluice_json *j) {
	struct config c = {.label = S("policy.sluice.dev/quarantine"), .values = {S("true")}, .value_count = 1, .log = true};
	sluice_str key;
	for (sluice_json_object(j); sluice_json_key(j, &key);) {
		if (sluice_equal(key, S("label")))
			c.label = sluice_json_string(j);
		else if (sluice_equal(key, S("values")))
			c.value_count = read_list(j, c.values);
		else if (sluice_equal(key, S("forensics")))
			c.forensics_count = read_list(j, c.forensics);
		else if (sluice_equal(key, S("log")))
			c.log = sluice_json_bool(j);
		else if (!j->error)
			j->error = "a field is unknown: known are label, values, forensics and log";
	}
	if (!j->error && (c.label.length == 0 || c.value_count == 0))
		j->error = "label and values may not be empty";
	return c;
}

/* Both directions of one decision about everybody who is cut off. */
static void put_rules(sluice_tx *tx, sluice_str name, sluice_rule rule) {
	rule.tier = SLUICE_ADMIN;
	rule.subjects = SLUICE_STRS(S("pods"), S("pods-of-namespaces"));
	rule.direction = SLUICE_INGRESS;
	sluice_put_rule(tx, sluice_join(tx, name, S("-in")), &rule);
	rule.direction = SLUICE_EGRESS;
	sluice_put_rule(tx, sluice_join(tx, name, S("-out")), &rule);
}

static void configure(void *self, sluice_tx *tx, sluice_str json) {
	(void)self;
	sluice_json j = sluice_json_of(tx, json.length ? json : S("{}"));
	struct config c = read_config(&j);
	if (sluice_json_error(&j)) {
		const char *why = sluice_json_error(&j);
		size_t length = 0;
		while (why[length])
			length++;
		/* What was in force stays: a slip of the pen must not let anybody out. */
		sluice_fail(tx, sluice_join(tx, S("configuration: "), (sluice_str){why, length}));
		return;
	}
	sluice_selector every = {0};
	sluice_selector marked = {&(sluice_requirement){c.label, SLUICE_IN, {c.values, c.value_count}}, 1};
	sluice_put_set(tx, S("pods"), &(sluice_set){.kind = SLUICE_PODS, .pods = {.namespace_selector = &every, .pod_selector = marked}});
	sluice_put_set(tx, S("pods-of-namespaces"), &(sluice_set){.kind = SLUICE_PODS, .pods = {.namespace_selector = &marked}});
	if (c.forensics_count) {
		sluice_put_set(tx, S("forensics"), &(sluice_set){.kind = SLUICE_PODS, .pods.namespaces = {c.forensics, c.forensics_count}});
		put_rules(tx, S("forensics"), (sluice_rule){.priority = 1, .peers = SLUICE_STRS(S("forensics")), .action = SLUICE_ALLOW});
	} else {
		sluice_delete_rule(tx, S("forensics-in"));
		sluice_delete_rule(tx, S("forensics-out"));
		sluice_delete_set(tx, S("forensics"));
	}
	put_rules(tx, S("cut"), (sluice_rule){.priority = 0, .any_peer = true, .action = SLUICE_DENY, .log = c.log});
}

const sluice_module sluice_this = {.configure = configure};
