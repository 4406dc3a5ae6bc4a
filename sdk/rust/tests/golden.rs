//! The codec against the vectors of abi/testdata/golden, which protoc has made.

use sluice::*;

fn load(name: &str) -> Vec<u8> {
    let path = format!("{}/../../abi/testdata/golden/{}.bin", env!("CARGO_MANIFEST_DIR"), name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {}", path, e))
}

fn check_batch(name: &str, sequence: u64, reset: bool, events: &[Event]) {
    let file = load(name);
    let batch = Batch::decode(&file).unwrap();
    assert_eq!((batch.sequence, batch.reset), (sequence, reset), "{}", name);
    let read: Vec<Event> = batch.events().map(|e| e.unwrap_or_else(|e| panic!("{}: {}", name, e))).collect();
    assert_eq!(read, events, "{}", name);
    if !name.starts_with("variant") {
        let mut written = Vec::new();
        Batch::append_head(&mut written, sequence, reset);
        events.iter().for_each(|e| e.append_to(&mut written));
        assert_eq!(written, file, "{}", name);
    }
}

fn put<'a>(name: &'a str, uid: &'a str, generation: i64) -> Event<'a> {
    Event::Put(Object { name, uid, generation, ..Object::default() })
}

#[test]
fn batches() {
    let policies = "networkpolicies.networking.k8s.io";
    check_batch("batch-empty", 0, false, &[]);
    check_batch(
        "batch-every-field",
        7,
        true,
        &[
            Event::Configure(br#"{"logDenied":true}"#),
            Event::Put(Object {
                resource: policies,
                namespace: "shop",
                name: "db-from-web",
                uid: "0b9a3c0e-6d7e-4d0a-9f64-2b9f5f0c1a11",
                generation: 3,
                json: br#"{"spec":{}}"#,
            }),
            Event::Put(Object {
                resource: policies,
                namespace: "shop",
                name: "web",
                uid: "u2",
                generation: 1,
                json: b"\x00\xff not JSON: the codec does not look",
            }),
            Event::Delete(Object { resource: "pods", namespace: "shop", name: "db-0", uid: "u3", ..Object::default() }),
            Event::Put(Object { resource: "namespaces", name: "café", ..Object::default() }),
            Event::Tick(1795393658000000000),
        ],
    );
    let extremes = [put("min", "", i64::MIN), put("max", "", i64::MAX), put("minus-one", "", -1), Event::Tick(-1)];
    check_batch("batch-extremes", u64::MAX, false, &extremes);
    let empty =
        [Event::Configure(&[]), Event::Put(Object::default()), Event::Delete(Object::default()), Event::Tick(0)];
    check_batch("batch-kinds-without-fields", 0, false, &empty);
    let long: Vec<Vec<u8>> = [(b'a', 127), (b'b', 128), (b'x', 20000)].iter().map(|&(c, n)| vec![c; n]).collect();
    let long: Vec<Event> =
        long.iter().map(|json| Event::Put(Object { resource: "pods", json, ..Object::default() })).collect();
    check_batch("batch-long-json", 300, false, &long);
    let namespace = Object {
        resource: "namespaces",
        name: "shop",
        uid: "u1",
        generation: 1,
        json: br#"{"a":1}"#,
        ..Object::default()
    };
    check_batch("batch-readme", 1, true, &[Event::Configure(&[]), Event::Put(namespace)]);
    check_batch("variant-batch-unknown", 9, false, &[Event::Tick(5)]);
    check_batch("variant-batch-repeated", 2, false, &[Event::Tick(2), put("a", "b", 2)]);
}

fn check_requests(name: &str, requests: &[Request]) {
    let file = load(name);
    let read: Vec<Request> = decode_requests(&file).map(|r| r.unwrap_or_else(|e| panic!("{}: {}", name, e))).collect();
    assert_eq!(read, requests, "{}", name);
    if !name.starts_with("variant") {
        let mut written = Vec::new();
        requests.iter().for_each(|r| r.append_to(&mut written));
        assert_eq!(written, file, "{}", name);
    }
}

fn put_set(name: &str, set: impl Into<Set>) -> Request {
    Request::PutSet { name: name.into(), set: Some(set.into()) }
}

fn put_rule(name: &str, rule: Rule) -> Request {
    Request::PutRule { name: name.into(), rule }
}

#[test]
fn sets() {
    let roles = Selector::all([Requirement::is_in("role", ["worker"])]);
    check_requests("requests-empty", &[]);
    check_requests(
        "requests-sets",
        &[
            put_set(
                "pods-of-shop",
                Pods {
                    namespaces: vec!["shop".into(), "stock".into()],
                    namespace_selector: Some(Selector::all([Requirement::is_in("team", ["a", "b"])])),
                    pod_selector: Selector::all([
                        Requirement::not_in("app", ["db"]),
                        Requirement::exists("tier"),
                        Requirement::does_not_exist("old"),
                    ]),
                },
            ),
            put_set("everything", Pods::everywhere()),
            put_set("empty-strings", Pods::of_namespaces(["", "x"])),
            put_set("workers", Set::Nodes(roles)),
            put_set("all-nodes", Set::Nodes(Selector::everything())),
            put_set(
                "lan",
                vec![Block::new("10.0.0.0/8").except(["10.1.0.0/16", "10.2.0.0/16"]), Block::new("2001:db8::/32")],
            ),
            put_set("no-address", Vec::new()),
            Request::PutSet { name: "no-spec".into(), set: None },
            Request::PatchSet {
                name: "lan".into(),
                add: vec![Block::new("192.0.2.0/24").except(["192.0.2.1/32"]), Block::default()],
                remove: vec!["10.0.0.0/8".into(), "2001:db8::/32".into()],
            },
            Request::DeleteSet { name: "lan".into() },
            Request::DeleteSet { name: String::new() },
        ],
    );
}

#[test]
fn rules() {
    let policies = "networkpolicies.networking.k8s.io";
    let shop = |name: &str, rule: &str| Origin {
        resource: policies.into(),
        namespace: "shop".into(),
        name: name.into(),
        rule: rule.into(),
    };
    let db = Isolation::new(Tier::Network, Direction::Egress, ["db"])
        .origin(Origin { name: "db-from-web".into(), ..Origin::default() });
    check_requests(
        "requests-rules",
        &[
            put_rule(
                "shop/db-from-web/ingress/0",
                Rule::new(Tier::Network, Direction::Ingress, Action::Allow)
                    .priority(1000)
                    .subjects(["db", "cache"])
                    .peers(["web"])
                    .ports([
                        Port::one(TCP, 5432),
                        Port::range(UDP, 1, 65535),
                        Port::named(SCTP, "sctp-port"),
                        Port::icmp(ICMP, 8, None),
                        Port::icmp(ICMPV6, 128, Some(255)),
                        Port::icmp(ICMP, 0, Some(0)),
                        Port::default(),
                    ])
                    .log(true)
                    .origin(shop("db-from-web", "ingress[0]")),
            ),
            put_rule("deny", Rule::new(Tier::Admin, Direction::Egress, Action::Deny).priority(i32::MIN).any_peer()),
            put_rule("reject", Rule::new(Tier::Baseline, Direction::Unspecified, Action::Reject).priority(i32::MAX)),
            put_rule("pass", Rule { priority: -1, action: Action::Pass, ..Rule::default() }),
            put_rule("bare", Rule::default()),
            Request::DeleteRule { name: "pass".into() },
            Request::PutIsolation { name: "iso".into(), isolation: db },
            Request::PutIsolation { name: String::new(), isolation: Isolation::default() },
            Request::DeleteIsolation { name: "iso".into() },
            Request::Report {
                object: shop("bad", "egress[1]"),
                condition: Condition::no("Accepted", "PortName", "port \"http\" names nothing"),
            },
            Request::Report { object: Origin::default(), condition: Condition::yes("Accepted", "", "") },
            Request::Report { object: Origin::default(), condition: Condition::default() },
        ],
    );
    let ports = (1..=399).map(|p| Port::one(TCP, p));
    check_requests("requests-large", &[put_rule(&"n".repeat(253), Rule::default().subjects(["s"]).ports(ports))]);
    check_requests(
        "requests-readme",
        &[
            put_set("shop", Pods::of_namespaces(["shop"])),
            put_rule(
                "in",
                Rule::new(Tier::Baseline, Direction::Ingress, Action::Allow)
                    .priority(-1)
                    .subjects(["shop"])
                    .peers(["shop"]),
            ),
        ],
    );
    check_requests("variant-requests-unknown", &[put_rule("r", Rule::default().priority(4))]);
    let merged = Rule::default().priority(-7).subjects(["s", "t"]).ports([Port::any(TCP)]);
    check_requests("variant-requests-repeated", &[put_rule("b", merged), Request::DeleteRule { name: "kept".into() }]);
}

#[test]
fn what_must_be_refused() {
    let cases: &[(&str, &[u8])] = &[
        ("a length cut short", &[0x1a]),
        ("an event cut short", &[0x1a, 5]),
        ("a varint of 11 bytes", &[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
        ("a varint of 65 bits", &[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2]),
        ("field number 0", &[0, 0]),
        ("a field number above the largest", &[0x80, 0x80, 0x80, 0x80, 0x10, 0, 0]),
        ("a group", &[0x23, 0x24]),
        ("a sequence that is a text", &[0x0a, 1, b'x']),
        ("an event that is a number", &[0x18, 1]),
        ("a name that is a number", &[0x1a, 4, 0x12, 2, 0x18, 1]),
        ("a generation that is a text", &[0x1a, 5, 0x12, 3, 0x2a, 1, b'x']),
        ("a name that is not UTF-8", &[0x1a, 5, 0x12, 3, 0x1a, 1, 0xff]),
        ("an unknown fixed64 cut short", &[0x21, 1, 2, 3]),
    ];
    for (what, bytes) in cases {
        let read = Batch::decode(bytes).and_then(|b| b.events().collect::<Result<Vec<_>, _>>());
        assert!(read.is_err(), "{} is not refused: {:?}", what, read);
    }
    for (what, bytes) in [
        ("no kind", &[0x0a, 0][..]),
        ("an unknown kind", &[0x0a, 2, 0x4a, 0]),
        ("a port above 65535", &[0x0a, 12, 0x22, 10, 0x12, 8, 0x3a, 6, 0x10, 0x80, 0x80, 4, 0x18, 0]),
        ("an unknown tier", &[0x0a, 6, 0x22, 4, 0x12, 2, 8, 4]),
    ] {
        assert!(decode_requests(bytes).any(|r| r.is_err()), "{} is not refused", what);
    }
}
