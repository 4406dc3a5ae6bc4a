/*
 * A host for tests: it runs a module natively, in the process of the test, and
 * keeps what the module has in force.
 *
 *	struct host *h = host_new(&sluice_this, "{\"label\":\"app\"}");
 *	host_put(h, "namespaces", "", "shop", "{\"metadata\":{\"name\":\"shop\"}}");
 *	CHECK(h, host_has(h, "put_rule { name: \"in\""));
 *	return host_done(h);
 *
 * It speaks to the module in the encoding of the ABI, applies a batch whole or
 * not at all, and refuses what a host refuses: requests without a name, rules
 * without tier, direction, action, subjects or peers, and names of sets that
 * are not there. host_done hands the whole state over again, in two orders, and
 * compares what is in force then: a batch must be a pure function of state.
 *
 * Everything that is told is text in the format of Protocol Buffers, one request
 * a line, with the names of abi/abi.proto. It is valid until the next call.
 */
#ifndef SLUICE_TESTING_HOST_H
#define SLUICE_TESTING_HOST_H

#include "../sluice.h"

struct host;

/* Starts a module with a configuration (JSON; NULL for none). The module's memory is its
 * own: with static data there can be one such host at a time. */
struct host *host_new(const sluice_module *, const char *config);

/* Hands one batch over; the answer is that of sluice_handle. */
int32_t host_put(struct host *, const char *resource, const char *namespace, const char *name, const char *json);
int32_t host_gone(struct host *, const char *resource, const char *namespace, const char *name);
int32_t host_configure(struct host *, const char *json);
int32_t host_tick(struct host *, int64_t unix_nanos);
int32_t host_reset(struct host *);

/* Answers the next call of emit with code instead of staging. */
void host_refuse(struct host *, int32_t code);

const char *host_state(const struct host *);    /* what is in force, sorted */
const char *host_requests(const struct host *); /* what the last batch asked for */
const char *host_log(const struct host *);      /* what the module logged, all of it */
bool host_has(const struct host *, const char *beginning); /* a line of the state begins so */

/* Ends a test: checks the state against a reset, frees everything, and gives the
 * exit code of the program: 0 if all was good. */
int host_done(struct host *);

/* Says where, on standard error, if what is expected does not hold. */
#define CHECK(host, what) host_check(host, (what), #what, __FILE__, __LINE__)
void host_check(struct host *, bool good, const char *what, const char *file, int line);

#endif
