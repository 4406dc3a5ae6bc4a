/* The JSON reader: what it takes, what it refuses, and what is left unread. */
#include <stdio.h>
#include <string.h>

#include "../testing/host.h"

#define S SLUICE_STR
static int failures;

static void expect(bool good, const char *what) {
	if (!good) {
		failures++;
		fprintf(stderr, "does not hold: %s\n", what);
	}
}

static void reads(sluice_tx *tx) {
	sluice_json j = sluice_json_of(tx, S(" { \"skip\" : [1, {\"a\":[true,null,\"\\u00e9\"]}, -0.5e+3] , \"na\\u006de\":\"a\\n\\u00e9\\ud83d\\ude00\\ud800\\/\", "
		"\"list\":[\"x\",\"y\"], \"none\":null, \"min\":-9223372036854775808, \"yes\":true, \"empty\":{}, \"deep\":{\"x\":{\"y\":7}} } "));
	sluice_str key, name = {0};
	int64_t min = 0, y = 0;
	int elements = 0, nothing = 0, keys = 0;
	bool yes = false;
	for (sluice_json_object(&j); sluice_json_key(&j, &key); keys++) {
		if (sluice_equal(key, S("name")))
			name = sluice_json_string(&j);
		else if (sluice_equal(key, S("list")))
			for (sluice_json_array(&j); sluice_json_element(&j);)
				elements += sluice_json_string(&j).length == 1;
		else if (sluice_equal(key, S("none")))
			for (sluice_json_object(&j); sluice_json_key(&j, &key);)
				nothing++;
		else if (sluice_equal(key, S("min")))
			min = sluice_json_integer(&j);
		else if (sluice_equal(key, S("yes")))
			yes = sluice_json_bool(&j);
		else if (sluice_equal(key, S("deep")))
			for (sluice_json_object(&j); sluice_json_key(&j, &key);)
				for (sluice_json_object(&j); sluice_json_key(&j, &key);)
					y = sluice_json_integer(&j);
	}
	expect(!sluice_json_error(&j), "the text reads");
	expect(sluice_equal(name, S("a\n\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd/")), "escapes");
	expect(keys == 8 && elements == 2 && nothing == 0 && min == INT64_MIN && yes && y == 7, "values");
}

static void refuses(sluice_tx *tx) {
	static const char *const texts[] = {
		"", "{", "[1", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\" 1}", "nul", "tru", "\"x", "\"\n\"", "\"\\x\"", "\"\\u12g4\"",
		"\"\\u12", "\"\xff\"", "01x", "-", "1.", "1e", ".5", "[01]", "+1",
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		sluice_json j = sluice_json_of(tx, (sluice_str){texts[i], strlen(texts[i])});
		sluice_json_skip(&j);
		expect(sluice_json_error(&j) || j.at != j.end, texts[i]);
	}
	char deep[600];
	memset(deep, '[', 300);
	memset(deep + 300, ']', 300);
	sluice_json j = sluice_json_of(tx, (sluice_str){deep, 600});
	sluice_json_skip(&j);
	expect(sluice_json_error(&j) != NULL, "nesting has a bound");
	static const char *const no_integers[] = {"9223372036854775808", "-9223372036854775809", "1.0", "1e3", "\"1\"", "true"};
	for (size_t i = 0; i < sizeof no_integers / sizeof *no_integers; i++) {
		j = sluice_json_of(tx, (sluice_str){no_integers[i], strlen(no_integers[i])});
		expect(sluice_json_integer(&j) == 0 && sluice_json_error(&j), no_integers[i]);
	}
}

static void configure(void *self, sluice_tx *tx, sluice_str json) {
	(void)self, (void)json;
	reads(tx);
	refuses(tx);
}

int main(void) {
	struct host *h = host_new(&(sluice_module){.configure = configure}, "{}");
	return host_done(h) || failures;
}
