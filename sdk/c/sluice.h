/*
 * Sluice SDK for C: what the author of a policy module includes.
 *
 * A module is one constant, sluice_this, with the functions that the host's
 * events go to. It answers with requests through the sluice_tx that each of them
 * gets. All requests of a batch take effect together after the last function
 * has returned, or none does.
 *
 * The code is freestanding C11: no libc, no allocation that outlives a batch. It
 * compiles with clang to Wasm, and with any compiler natively for tests (see
 * testing/host.h). README.md beside this file has the commands.
 *
 * ../../abi/README.md is the contract: what sets, rules and isolations mean.
 */
#ifndef SLUICE_H
#define SLUICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Text ---------------------------------------------------------------- */

/* A piece of UTF-8 text or JSON, not ended by a NUL. It belongs to whoever made it. */
typedef struct {
	const char *at;
	size_t length;
} sluice_str;

/* A string literal as a sluice_str: as a value, and as an initializer of static data. */
#define SLUICE_STR(literal) ((sluice_str){literal, sizeof(literal) - 1})
#define SLUICE_INIT(literal) {literal, sizeof(literal) - 1}

/* A list of texts. */
typedef struct {
	const sluice_str *at;
	size_t count;
} sluice_strs;

/* SLUICE_STRS(a, b, c) is a list that lives as long as the block around it. */
#define SLUICE_STRS(...) \
	((sluice_strs){(const sluice_str[]){__VA_ARGS__}, sizeof((const sluice_str[]){__VA_ARGS__}) / sizeof(sluice_str)})

bool sluice_equal(sluice_str a, sluice_str b);

/* ---- What is asked for: see abi/README.md, section 6 --------------------- */

typedef enum { SLUICE_ADMIN = 1, SLUICE_NETWORK = 2, SLUICE_BASELINE = 3 } sluice_tier;
typedef enum { SLUICE_INGRESS = 1, SLUICE_EGRESS = 2 } sluice_direction;
typedef enum { SLUICE_ALLOW = 1, SLUICE_DENY = 2, SLUICE_REJECT = 3, SLUICE_PASS = 4 } sluice_action;
typedef enum { SLUICE_IN = 1, SLUICE_NOT_IN = 2, SLUICE_EXISTS = 3, SLUICE_DOES_NOT_EXIST = 4 } sluice_operator;

/* IANA protocol numbers; 0 is every protocol. */
enum { SLUICE_ICMP = 1, SLUICE_TCP = 6, SLUICE_UDP = 17, SLUICE_ICMPV6 = 58, SLUICE_SCTP = 132 };

typedef struct {
	sluice_str key;
	sluice_operator operator;
	sluice_strs values;
} sluice_requirement;

/* All requirements must hold; without any it selects everything. */
typedef struct {
	const sluice_requirement *requirements;
	size_t count;
} sluice_selector;

/* The addresses of cidr that are in none of except. */
typedef struct {
	sluice_str cidr;
	sluice_strs except;
} sluice_block;

typedef enum { SLUICE_PODS = 2, SLUICE_NODES = 3, SLUICE_ADDRESSES = 4 } sluice_set_kind;

/* A named collection of peers. Only the member that kind says is read. */
typedef struct {
	sluice_set_kind kind;
	struct {
		sluice_strs namespaces;
		/* NULL selects no namespace, an empty selector selects every one. */
		const sluice_selector *namespace_selector;
		sluice_selector pod_selector;
	} pods;
	sluice_selector nodes;
	struct {
		const sluice_block *at;
		size_t count;
	} blocks;
} sluice_set;

typedef struct {
	uint8_t type, code;
	bool any_code; /* code is not looked at */
} sluice_icmp;

typedef struct {
	uint8_t protocol;
	uint16_t first, last;    /* both included; both 0: every port */
	sluice_str name;         /* instead of first and last */
	const sluice_icmp *icmp; /* NULL: every type */
} sluice_port;

/* Where a request comes from, in the words of its author. */
typedef struct {
	sluice_str resource, namespace, name;
	sluice_str rule; /* the place inside of the object: "ingress[2]" */
} sluice_origin;

typedef struct {
	sluice_tier tier;
	sluice_direction direction;
	int32_t priority; /* the higher is asked first */
	sluice_strs subjects, peers;
	bool any_peer; /* instead of peers */
	struct {
		const sluice_port *at;
		size_t count; /* 0: every protocol and port */
	} ports;
	sluice_action action;
	bool log;
	sluice_origin origin;
} sluice_rule;

typedef struct {
	sluice_tier tier;
	sluice_direction direction;
	sluice_strs subjects;
	sluice_origin origin;
} sluice_isolation;

typedef struct {
	sluice_str type;
	bool status;
	sluice_str reason, message;
} sluice_condition;

/* ---- A transaction ------------------------------------------------------- */

/* What one batch asks for. Valid until the function that it was given to returns. */
typedef struct sluice_tx sluice_tx;

/*
 * Each asks for one request and copies what it is given. False means that the
 * batch is lost: the host has refused something (it tells the operator what and
 * why), or sluice_fail was called. A module may simply go on: further calls do
 * nothing, and the next batch begins anew.
 */
bool sluice_put_set(sluice_tx *, sluice_str name, const sluice_set *); /* any number of blocks */
bool sluice_patch_set(sluice_tx *, sluice_str name, const sluice_block *add, size_t adds, sluice_strs remove);
bool sluice_delete_set(sluice_tx *, sluice_str name);
bool sluice_put_rule(sluice_tx *, sluice_str name, const sluice_rule *);
bool sluice_delete_rule(sluice_tx *, sluice_str name);
bool sluice_put_isolation(sluice_tx *, sluice_str name, const sluice_isolation *);
bool sluice_delete_isolation(sluice_tx *, sluice_str name);
bool sluice_report(sluice_tx *, const sluice_origin *object, const sluice_condition *);

/* Gives the batch up, with a line for the operator: the host hands the whole state over again. */
void sluice_fail(sluice_tx *, sluice_str why);

typedef enum { SLUICE_DEBUG = 0, SLUICE_INFO = 1, SLUICE_WARN = 2, SLUICE_ERROR = 3 } sluice_log_level;

/* Writes a line for the operator; the host limits how many it shows. */
void sluice_log(sluice_tx *, sluice_log_level, sluice_str text);

/* Memory that is valid until the batch ends. Never NULL: a batch without memory traps. */
void *sluice_scratch(sluice_tx *, size_t bytes);

/* sluice_join(tx, a, b, ...) is all its texts in a row, in scratch memory. */
sluice_str sluice_join_all(sluice_tx *, sluice_strs parts);
#define sluice_join(tx, ...) sluice_join_all(tx, SLUICE_STRS(__VA_ARGS__))

/* ---- A module ------------------------------------------------------------ */

/* An object of the cluster. Everything in it is valid until the batch ends. */
typedef struct {
	sluice_str resource; /* "pods", "networkpolicies.networking.k8s.io" */
	sluice_str namespace, name, uid;
	int64_t generation;
	sluice_str json; /* empty when the object is gone */
} sluice_object;

/* Functions that a module does not need are NULL. self is handed to each. */
typedef struct {
	void *self;
	/* Forget everything: what follows in the same batch is the whole state. */
	void (*reset)(void *self);
	/* The operator's configuration; empty if there is none. First after a reset. */
	void (*configure)(void *self, sluice_tx *, sluice_str json);
	void (*put)(void *self, sluice_tx *, const sluice_object *);
	void (*gone)(void *self, sluice_tx *, const sluice_object *);
	void (*tick)(void *self, sluice_tx *, int64_t unix_nanos);
	/* After the last event of each batch. */
	void (*finish)(void *self, sluice_tx *);
} sluice_module;

/* The module of this Wasm file: its author defines it. */
extern const sluice_module sluice_this;

/* ---- JSON ---------------------------------------------------------------- */

/*
 * A reader that walks over JSON (RFC 8259) once, in place:
 *
 *	sluice_json j = sluice_json_of(tx, object->json);
 *	sluice_str key;
 *	for (sluice_json_object(&j); sluice_json_key(&j, &key);)
 *		if (sluice_equal(key, SLUICE_STR("name")))
 *			name = sluice_json_string(&j);
 *	if (sluice_json_error(&j)) ...
 *
 * A value that is not read is passed over. null is an empty object, array or
 * text, 0 and false. After the first fault every call returns nothing, so one
 * look at the end is enough.
 */
typedef struct {
	sluice_tx *tx;
	const char *at, *end;
	const char *unread; /* where a value begins that the caller may pass over */
	const char *error;
	int state;           /* where in an object or array the reader is */
} sluice_json;

sluice_json sluice_json_of(sluice_tx *, sluice_str text);
void sluice_json_object(sluice_json *);                /* enters an object */
bool sluice_json_key(sluice_json *, sluice_str *key);  /* the next key; false leaves the object */
void sluice_json_array(sluice_json *);                 /* enters an array */
bool sluice_json_element(sluice_json *);               /* to the next element; false leaves the array */
sluice_str sluice_json_string(sluice_json *);          /* in the text itself, or in scratch if it has escapes */
int64_t sluice_json_integer(sluice_json *);
bool sluice_json_bool(sluice_json *);
void sluice_json_skip(sluice_json *);
const char *sluice_json_error(const sluice_json *);    /* NULL, or what is wrong */

/* ---- Running a module outside of Wasm ------------------------------------ */

/* The answers of sluice_handle; every other is fatal. */
enum { SLUICE_COMMIT = 0, SLUICE_CANNOT_DO = 1, SLUICE_UNREADABLE = 2 };

/* Where a module's requests and lines go. emit answers as sluice.emit does. */
typedef struct {
	void *self;
	int32_t (*emit)(void *self, const void *requests, size_t length);
	void (*log)(void *self, sluice_log_level, sluice_str text);
} sluice_output;

/* Hands one encoded EventBatch to a module: what the export sluice_handle does. */
int32_t sluice_run(const sluice_module *, const sluice_output *, const void *batch, size_t length);

/* Reads an EventBatch event by event. */
typedef enum { SLUICE_NO_EVENT, SLUICE_CONFIGURE, SLUICE_OBJECT_PUT, SLUICE_OBJECT_DELETE, SLUICE_TICK } sluice_event_kind;

typedef struct {
	sluice_event_kind kind;
	sluice_object object; /* its json is also the configuration */
	int64_t unix_nanos;
} sluice_event;

typedef struct {
	const uint8_t *at, *end;
	const char *error; /* NULL, or why the batch does not read */
} sluice_reader;

/* The head of a batch. False if any part of the batch does not read: nothing of it may be handled. */
bool sluice_read_head(sluice_reader, uint64_t *sequence, bool *reset);
/* The next event; false at the end and after a fault. Kinds of later versions are passed over. */
bool sluice_read_event(sluice_reader *, sluice_event *);

#endif
