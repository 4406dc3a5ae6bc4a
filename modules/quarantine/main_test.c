#include <string.h>

#include "testing/host.h"

static bool rule(struct host *h, const char *name, const char *direction, const char *rest) {
	char line[512] = "put_rule { name: \"";
	strcat(strcat(strcat(strcat(line, name), "\" rule { tier: TIER_ADMIN direction: DIRECTION_"), direction),
		name[0] == 'f' ? " priority: 1" : "");
	strcat(strcat(line, " subjects: \"pods\" subjects: \"pods-of-namespaces\" "), rest);
	return host_has(h, line);
}

int main(void) {
	/* Without a configuration: everybody with the label is cut off from everything. */
	struct host *h = host_new(&sluice_this, NULL);
	CHECK(h, host_has(h, "put_set { name: \"pods\" pods { namespace_selector { } pod_selector { requirements { "
		"key: \"policy.sluice.dev/quarantine\" operator: OPERATOR_IN values: \"true\" } } } }"));
	CHECK(h, host_has(h, "put_set { name: \"pods-of-namespaces\" pods { namespace_selector { requirements { "
		"key: \"policy.sluice.dev/quarantine\" operator: OPERATOR_IN values: \"true\" } } } }"));
	CHECK(h, rule(h, "cut-in", "INGRESS", "any_peer: true action: ACTION_DENY log: true } }"));
	CHECK(h, rule(h, "cut-out", "EGRESS", "any_peer: true action: ACTION_DENY log: true } }"));
	CHECK(h, !strstr(host_state(h), "forensics"));

	/* Those who examine are asked about before all others. */
	CHECK(h, host_configure(h, "{\"label\":\"q\",\"values\":[\"yes\",\"on\"],\"forensics\":[\"lab\",\"police\"],\"log\":false}") == SLUICE_COMMIT);
	CHECK(h, host_has(h, "put_set { name: \"forensics\" pods { namespaces: \"lab\" namespaces: \"police\" } }"));
	CHECK(h, host_has(h, "put_set { name: \"pods\" pods { namespace_selector { } pod_selector { requirements { "
		"key: \"q\" operator: OPERATOR_IN values: \"yes\" values: \"on\" } } } }"));
	CHECK(h, rule(h, "forensics-in", "INGRESS", "peers: \"forensics\" action: ACTION_ALLOW } }"));
	CHECK(h, rule(h, "forensics-out", "EGRESS", "peers: \"forensics\" action: ACTION_ALLOW } }"));
	CHECK(h, rule(h, "cut-in", "INGRESS", "any_peer: true action: ACTION_DENY } }"));

	/* A wrong configuration changes nothing. */
	static const char *const wrong[] = {
		"{\"labels\":\"q\"}", "{\"label\":\"\"}", "{\"values\":[]}", "{\"values\":\"true\"}", "{\"log\":1}", "{", "[]",
		"{\"forensics\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\",\"15\",\"16\",\"17\"]}",
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		CHECK(h, host_configure(h, wrong[i]) == SLUICE_CANNOT_DO);
		CHECK(h, host_has(h, "put_set { name: \"forensics\""));
	}
	CHECK(h, strstr(host_log(h), "3 configuration: a field is unknown: known are label, values, forensics and log"));

	/* Nobody examines any more: the exception is gone, the cut stays. */
	CHECK(h, host_configure(h, "{}") == SLUICE_COMMIT);
	CHECK(h, !strstr(host_state(h), "forensics") && rule(h, "cut-in", "INGRESS", "any_peer: true"));
	return host_done(h);
}
