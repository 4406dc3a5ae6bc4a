use sluice::testing::{Host, Outcome};
use sluice::{Action, Request, Set, CANNOT_DO, COMMIT};
use threatlist::{ThreatList, RESOURCE};

fn start(config: &str) -> Host {
    Host::new(|| Box::new(ThreatList::default()), config)
}

fn put(host: &mut Host, name: &str, cidrs: &[&str]) -> Outcome {
    let quoted: Vec<String> = cidrs.iter().map(|c| format!("{:?}", c)).collect();
    host.put(RESOURCE, &format!(r#"{{"metadata":{{"name":"{}"}},"spec":{{"cidrs":[{}]}}}}"#, name, quoted.join(",")))
}

fn threats(host: &Host) -> Vec<&str> {
    match &host.sets()["threats"] {
        Set::Addresses(blocks) => blocks.iter().map(|b| &*b.cidr).collect(),
        other => panic!("{:?}", other),
    }
}

/// What a batch adds to the set and removes from it.
fn patches(outcome: &Outcome) -> (Vec<String>, Vec<String>) {
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for r in &outcome.requests {
        if let Request::PatchSet { add, remove, .. } = r {
            added.extend(add.iter().map(|b| b.cidr.clone()));
            removed.extend(remove.iter().cloned());
        }
    }
    (added, removed)
}

#[test]
fn lists_add_up() {
    let mut host = start("");
    put(&mut host, "a", &["10.0.0.1", "192.0.2.7/24", "10.0.0.1/32"]);
    put(&mut host, "b", &["192.0.2.0/24", "2001:db8::1/64"]);
    assert_eq!(threats(&host), ["10.0.0.1/32", "192.0.2.0/24", "2001:db8::/64"]);
    // What two lists have stays until both have lost it.
    host.delete(RESOURCE, "", "a");
    assert_eq!(threats(&host), ["192.0.2.0/24", "2001:db8::/64"]);
    host.delete(RESOURCE, "", "b");
    assert_eq!(threats(&host), [""; 0]);
    assert_eq!(host.delete(RESOURCE, "", "never").code, COMMIT);
}

#[test]
fn a_change_of_one_is_a_change_of_one() {
    let mut host = start("");
    let many: Vec<String> = (0..5000).map(|i| format!("10.{}.{}.0/24", i / 256, i % 256)).collect();
    let mut list: Vec<&str> = many.iter().map(|s| &**s).collect();
    put(&mut host, "a", &list);
    list[1234] = "198.51.100.1";
    let outcome = put(&mut host, "a", &list);
    assert_eq!(patches(&outcome), (vec!["198.51.100.1/32".to_string()], vec!["10.4.210.0/24".to_string()]));
    list.reverse();
    assert_eq!(patches(&put(&mut host, "a", &list)), (vec![], vec![]));
}

#[test]
fn what_is_no_cidr_is_left_out_and_told() {
    let mut host = start("");
    let outcome = put(&mut host, "a", &["10.0.0.1", "nonsense", "10.0.0.0/40", "10.0.0.2"]);
    assert_eq!(threats(&host), ["10.0.0.1/32", "10.0.0.2/32"]);
    let report = outcome.reports()[0];
    assert_eq!(
        (report.status, &*report.message),
        (false, "2 of the CIDRs cannot be read and are left out; the first: spec.cidrs[1] is \"nonsense\"")
    );
    let outcome = host.put(RESOURCE, r#"{"metadata":{"name":"a"},"spec":{"cidrs":["10.0.0.1",7]}}"#);
    assert_eq!((outcome.code, outcome.reports()[0].status), (COMMIT, false));
    assert_eq!(threats(&host), [""; 0]);
    assert_eq!(put(&mut host, "a", &["10.0.0.9"]).reports()[0].message, "1 CIDRs");
}

#[test]
fn configuration() {
    let mut host = start("");
    assert_eq!(host.rules().keys().collect::<Vec<_>>(), ["egress", "ingress"]);
    assert!(host.rules().values().all(|r| r.action == Action::Deny && r.log));
    assert_eq!(host.configure(r#"{"directions":["egress"],"action":"reject","log":false}"#).code, COMMIT);
    assert_eq!(host.rules().len(), 1);
    assert!(host.rules()["egress"].action == Action::Reject && !host.rules()["egress"].log);
    for wrong in [r#"{"directions":["up"]}"#, r#"{"action":"allow"}"#, r#"{"logs":true}"#, "{", "[]"] {
        assert_eq!(host.configure(wrong).code, CANNOT_DO, "{}", wrong);
        assert_eq!(host.rules().len(), 1);
    }
}
