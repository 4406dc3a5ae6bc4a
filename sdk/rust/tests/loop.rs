//! The event loop: order, declarations, transactions, refusals.

use sluice::testing::Host;
use sluice::*;

/// Declares for each namespace a set and a rule; "shared" is declared by all.
#[derive(Default)]
struct Names {
    blocks: usize, // by configuration
}

impl Module for Names {
    fn reset(&mut self) {
        *self = Names::default();
    }

    fn configure(&mut self, tx: &mut Tx, json: &[u8]) -> Result<(), Error> {
        self.blocks = json::Reader::new(if json.is_empty() { b"0" } else { json }).integer()? as usize;
        let blocks = (0..self.blocks).map(|i| Block::new(&format!("10.{}.{}.0/24", i >> 8, i & 255))).collect();
        tx.put_set("large", Set::Addresses(blocks))
    }

    fn put(&mut self, tx: &mut Tx, o: &Object) -> Result<(), Error> {
        match o.name {
            "bad" => return Err(Error::new("cannot do this")),
            "conflict" => return tx.declare(&o.id()).set("shared", Pods::of_namespaces(["other"])).end(),
            _ => {}
        }
        tx.declare(&o.id())
            .set("shared", Pods::everywhere())
            .set(o.name, Pods::of_namespaces([o.name]))
            .rule(o.name, Rule::new(Tier::Admin, Direction::Ingress, Action::Deny).subjects([o.name]).peers(["shared"]))
            .report(o.origin(""), Condition::yes("Accepted", "Translated", ""))
            .end()
    }

    fn delete(&mut self, tx: &mut Tx, o: &Object) -> Result<(), Error> {
        tx.declare(&o.id()).end()
    }
}

fn namespace(name: &str) -> String {
    format!(r#"{{"metadata":{{"name":"{}"}}}}"#, name)
}

#[test]
fn declarations() {
    let mut host = Host::new(|| Box::new(Names::default()), "");
    let first = host.put("namespaces", &namespace("a"));
    assert_eq!((first.code, first.requests.len(), first.reports().len()), (COMMIT, 4, 1));
    // What is there already is not sent again.
    assert_eq!(host.put("namespaces", &namespace("b")).requests.len(), 3);
    assert_eq!(host.put("namespaces", &namespace("b")).requests.len(), 0);
    // What two declare stays until both have let go of it.
    let requests = host.delete("namespaces", "", "a").requests;
    let gone = |name: &str| [Request::DeleteRule { name: name.into() }, Request::DeleteSet { name: name.into() }];
    assert_eq!(requests, gone("a"));
    assert_eq!(host.delete("namespaces", "", "b").requests.len(), 3);
    assert_eq!(host.sets().keys().collect::<Vec<_>>(), ["large"]);
    assert!(host.rules().is_empty());
    // To delete what is not there is nothing.
    assert_eq!(host.delete("namespaces", "", "never").requests, []);
}

#[test]
fn what_fails_changes_nothing() {
    let mut host = Host::new(|| Box::new(Names::default()), "");
    host.put("namespaces", &namespace("a"));
    let before = host.state().clone();
    for (name, refusal, log) in [
        ("bad", 0, "namespaces//bad: cannot do this"),
        ("conflict", 0, "namespaces//conflict: set shared is declared by namespaces//conflict and is there already, with different content"),
        ("b", -4, "the host refuses: over a limit of this module (-4)"),
        ("c", -3, "the host refuses: not granted to this module (-3)"),
    ] {
        host.refuse(refusal);
        let outcome = host.put("namespaces", &namespace(name));
        assert_eq!((outcome.code, &outcome.log), (CANNOT_DO, &vec![log.to_string()]));
        assert_eq!(host.state(), &before);
        host.delete("namespaces", "", name);
        assert_eq!(host.reset().code, COMMIT);
    }
}

#[test]
fn sets_of_any_size() {
    let mut host = Host::new(|| Box::new(Names::default()), "10000");
    let outcome = host.reset();
    assert_eq!((outcome.code, outcome.requests.len()), (COMMIT, 10));
    assert!(matches!(&host.sets()["large"], Set::Addresses(blocks) if blocks.len() == 10000));
}

#[test]
fn a_module_that_remembers_is_found_out() {
    #[derive(Default)]
    struct Remembers(usize);
    impl Module for Remembers {
        fn put(&mut self, tx: &mut Tx, o: &Object) -> Result<(), Error> {
            self.0 += 1;
            tx.put_set(o.name, Pods::of_namespaces([self.0.to_string()]))
        }
    }
    let found = std::panic::catch_unwind(|| {
        let mut host = Host::new(|| Box::new(Remembers::default()), "");
        host.put("namespaces", &namespace("a"));
        host.put("namespaces", &namespace("a"));
    });
    assert!(found.is_err());
}

#[test]
fn what_does_not_read_is_fatal() {
    struct Nobody;
    impl Output for Nobody {
        fn emit(&mut self, _: &[u8]) -> i32 {
            0
        }
        fn log(&mut self, _: Level, _: &str) {}
    }
    let mut instance = Instance::new(Box::new(Names::default()));
    assert_eq!(instance.handle(&[0xff], &mut Nobody), UNREADABLE);
    assert_eq!(instance.handle(&[0x1a, 2, 0x12, 5], &mut Nobody), UNREADABLE);
}
