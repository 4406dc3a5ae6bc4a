//! A host for `cargo test`: a few maps.
//!
//! ```
//! use sluice::testing::Host;
//! # struct Neighbours;
//! # impl sluice::Module for Neighbours {
//! #     fn put(&mut self, tx: &mut sluice::Tx, o: &sluice::Object) -> Result<(), sluice::Error> {
//! #         tx.declare(&o.id()).set(o.name, sluice::Pods::of_namespaces([o.name])).end()
//! #     }
//! # }
//! let mut host = Host::new(|| Box::new(Neighbours), "");
//! host.put("namespaces", r#"{"metadata":{"name":"shop"}}"#);
//! assert!(host.sets().contains_key("shop"));
//! ```
//!
//! It speaks to the module in the encoding of the ABI, applies a batch whole or not
//! at all, and refuses what the ABI refuses. After each batch that was committed it
//! hands the whole state to fresh instances of the module, in several orders, and
//! panics unless they end with the same sets, rules and isolations: "a batch is a
//! pure function of state" is tested without a word from the author.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::event::{Batch, Event, Object};
use crate::json::Reader;
use crate::module::{Instance, Module, Output, COMMIT};
use crate::request::*;
use crate::tx::Level;
use crate::{decode_requests, json};

/// What is in force, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Sets; blocks of addresses are sorted by CIDR.
    pub sets: BTreeMap<String, Set>,
    /// Rules.
    pub rules: BTreeMap<String, Rule>,
    /// Isolations.
    pub isolations: BTreeMap<String, Isolation>,
}

impl State {
    fn apply(&mut self, request: Request) -> Result<(), i32> {
        match request {
            Request::PutSet { name, set } => {
                let mut set = set.ok_or(-1)?;
                match &mut set {
                    Set::Pods(p) if p.namespaces.is_empty() && p.namespace_selector.is_none() => return Err(-1),
                    Set::Addresses(blocks) => blocks.sort_by(|a, b| a.cidr.cmp(&b.cidr)),
                    _ => {}
                }
                self.sets.insert(named(name)?, set);
            }
            Request::PatchSet { name, add, remove } => match self.sets.get_mut(&name) {
                Some(Set::Addresses(blocks)) => {
                    let gone: alloc::collections::BTreeSet<&str> =
                        remove.iter().map(|s| &**s).chain(add.iter().map(|b| &*b.cidr)).collect();
                    blocks.retain(|b| !gone.contains(&*b.cidr));
                    blocks.extend(add);
                    blocks.sort_by(|a, b| a.cidr.cmp(&b.cidr));
                }
                _ => return Err(-5),
            },
            Request::DeleteSet { name } => drop(self.sets.remove(&name)),
            Request::PutRule { name, rule } => {
                let unspecified = rule.tier == Tier::Unspecified
                    || rule.direction == Direction::Unspecified
                    || rule.action == Action::Unspecified;
                if unspecified || rule.subjects.is_empty() || rule.any_peer != rule.peers.is_empty() {
                    return Err(-1);
                }
                self.know(rule.subjects.iter().chain(&rule.peers))?;
                self.rules.insert(named(name)?, rule);
            }
            Request::DeleteRule { name } => drop(self.rules.remove(&name)),
            Request::PutIsolation { name, isolation } => {
                if isolation.tier == Tier::Unspecified
                    || isolation.direction == Direction::Unspecified
                    || isolation.subjects.is_empty()
                {
                    return Err(-1);
                }
                self.know(isolation.subjects.iter())?;
                self.isolations.insert(named(name)?, isolation);
            }
            Request::DeleteIsolation { name } => drop(self.isolations.remove(&name)),
            Request::Report { .. } => {}
        }
        Ok(())
    }

    fn know<'s>(&self, mut sets: impl Iterator<Item = &'s String>) -> Result<(), i32> {
        match sets.all(|name| self.sets.contains_key(name)) {
            true => Ok(()),
            false => Err(-5),
        }
    }

    /// Whether everything that is named is there, as it must be at the end.
    fn whole(&self) -> bool {
        self.rules.values().all(|r| self.know(r.subjects.iter().chain(&r.peers)).is_ok())
            && self.isolations.values().all(|i| self.know(i.subjects.iter()).is_ok())
    }
}

fn named(name: String) -> Result<String, i32> {
    match name.len() {
        0 => Err(-1),
        1..=253 => Ok(name),
        _ => Err(-2),
    }
}

/// What one batch came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What `sluice_handle` returned.
    pub code: i32,
    /// What was emitted.
    pub requests: Vec<Request>,
    /// What was logged.
    pub log: Vec<String>,
}

impl Outcome {
    /// The conditions that were reported.
    pub fn reports(&self) -> Vec<&Condition> {
        let condition = |r| match r {
            &Request::Report { ref condition, .. } => Some(condition),
            _ => None,
        };
        self.requests.iter().filter_map(condition).collect()
    }
}

/// What is staged while a batch is handled.
struct Stage {
    state: State,
    outcome: Outcome,
    refusal: i32,
    refused: bool,
}

impl Output for Stage {
    fn emit(&mut self, requests: &[u8]) -> i32 {
        let mut answer = core::mem::take(&mut self.refusal);
        if requests.len() > 1 << 20 {
            answer = -2;
        }
        for request in decode_requests(requests) {
            if answer == 0 {
                answer = match request {
                    Ok(r) => {
                        self.outcome.requests.push(r.clone());
                        self.state.apply(r).err().unwrap_or(0)
                    }
                    Err(_) => -1,
                };
            }
        }
        self.refused |= answer != 0;
        answer
    }

    fn log(&mut self, _: Level, text: &str) {
        self.outcome.log.push(text.to_string());
    }
}

/// The other end of a module in a test.
pub struct Host {
    make: Box<dyn Fn() -> Box<dyn Module>>,
    running: Instance,
    sequence: u64,
    config: String,
    tick: Option<i64>,
    objects: BTreeMap<(String, String, String), String>,
    state: State,
    refusal: i32,
}

impl Host {
    /// Starts a module and hands it an empty state with a configuration (JSON;
    /// empty for none).
    pub fn new(make: impl Fn() -> Box<dyn Module> + 'static, config: &str) -> Self {
        let mut host = Host {
            running: Instance::new(make()),
            make: Box::new(make),
            sequence: 0,
            config: config.to_string(),
            tick: None,
            objects: BTreeMap::new(),
            state: State::default(),
            refusal: 0,
        };
        host.reset();
        host
    }

    /// Hands an object over. Namespace and name are read from its metadata.
    pub fn put(&mut self, resource: &str, object: &str) -> Outcome {
        let (namespace, name) = metadata(object).expect("the object is JSON with metadata.name");
        let key = (resource.to_string(), namespace.clone(), name.clone());
        self.objects.insert(key, object.to_string());
        let json = object.as_bytes();
        let o = Object { resource, namespace: &namespace, name: &name, json, ..Object::default() };
        self.batch(&[Event::Put(o)])
    }

    /// Says that an object is gone.
    pub fn delete(&mut self, resource: &str, namespace: &str, name: &str) -> Outcome {
        self.objects.remove(&(resource.to_string(), namespace.to_string(), name.to_string()));
        self.batch(&[Event::Delete(Object { resource, namespace, name, ..Object::default() })])
    }

    /// Changes the configuration.
    pub fn configure(&mut self, config: &str) -> Outcome {
        self.config = config.to_string();
        self.batch(&[Event::Configure(config.as_bytes())])
    }

    /// Says what time it is.
    pub fn tick(&mut self, unix_nanos: i64) -> Outcome {
        self.tick = Some(unix_nanos);
        self.batch(&[Event::Tick(unix_nanos)])
    }

    /// Hands the whole state to the running module again.
    pub fn reset(&mut self) -> Outcome {
        let batch = self.whole(|_| {});
        self.hand_over(true, &batch)
    }

    /// Answers the next call of emit with this instead of staging.
    pub fn refuse(&mut self, answer: i32) {
        self.refusal = answer;
    }

    /// What is in force.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Sets in force.
    pub fn sets(&self) -> &BTreeMap<String, Set> {
        &self.state.sets
    }

    /// Rules in force.
    pub fn rules(&self) -> &BTreeMap<String, Rule> {
        &self.state.rules
    }

    fn batch(&mut self, events: &[Event]) -> Outcome {
        let mut encoded = Vec::new();
        events.iter().for_each(|e| e.append_to(&mut encoded));
        self.hand_over(false, &encoded)
    }

    fn hand_over(&mut self, reset: bool, events: &[u8]) -> Outcome {
        self.sequence += 1;
        let base = if reset { State::default() } else { self.state.clone() };
        let refusal = core::mem::take(&mut self.refusal);
        let (outcome, state) = handle(&mut self.running, self.sequence, reset, events, base, refusal);
        if let Some(state) = state {
            assert!(state.whole(), "batch {}: a set is gone that is still named", self.sequence);
            self.state = state;
            self.check_reset();
        }
        outcome
    }

    /// Compares with fresh instances that are handed the objects in other orders.
    fn check_reset(&self) {
        type Arrange = fn(&mut Vec<Vec<u8>>);
        let turn: Arrange = |list| {
            let half = list.len() / 2;
            list.rotate_left(half);
        };
        let orders: [(&str, Arrange); 3] = [("sorted", |_| {}), ("backwards", |list| list.reverse()), ("turned", turn)];
        for (order, arrange) in orders {
            let mut fresh = Instance::new((self.make)());
            let (outcome, state) = handle(&mut fresh, 1, true, &self.whole(arrange), State::default(), 0);
            assert_eq!(
                Some(&self.state),
                state.as_ref(),
                "after batch {} the module has other things in force (left) than a fresh instance that is handed the whole state, {} (right); it logs {:?}",
                self.sequence, order, outcome.log
            );
        }
    }

    /// The whole state as events.
    fn whole(&self, arrange: fn(&mut Vec<Vec<u8>>)) -> Vec<u8> {
        let mut all = Vec::new();
        Event::Configure(self.config.as_bytes()).append_to(&mut all);
        if let Some(nanos) = self.tick {
            Event::Tick(nanos).append_to(&mut all);
        }
        let put = |((resource, namespace, name), json): (&(String, String, String), &String)| {
            let mut encoded = Vec::new();
            Event::Put(Object { resource, namespace, name, json: json.as_bytes(), ..Object::default() })
                .append_to(&mut encoded);
            encoded
        };
        let mut objects: Vec<Vec<u8>> = self.objects.iter().map(put).collect();
        arrange(&mut objects);
        all.extend(objects.concat());
        all
    }
}

/// One batch on one instance: what came of it, and the new state if it counts.
fn handle(
    instance: &mut Instance,
    sequence: u64,
    reset: bool,
    events: &[u8],
    base: State,
    refusal: i32,
) -> (Outcome, Option<State>) {
    let mut batch = Vec::new();
    Batch::append_head(&mut batch, sequence, reset);
    batch.extend_from_slice(events);
    let mut stage = Stage { state: base, outcome: Outcome::default(), refusal, refused: false };
    stage.outcome.code = instance.handle(&batch, &mut stage);
    let counts = stage.outcome.code == COMMIT && !stage.refused;
    (stage.outcome, counts.then(|| stage.state))
}

fn metadata(object: &str) -> Result<(String, String), json::Error> {
    let (mut namespace, mut name) = (String::new(), String::new());
    let mut r = Reader::new(object.as_bytes());
    r.object(|r, key| match key {
        "metadata" => r.object(|r, key| {
            match key {
                "namespace" => namespace = r.string()?.into_owned(),
                "name" => name = r.string()?.into_owned(),
                _ => {}
            }
            Ok(())
        }),
        _ => Ok(()),
    })?;
    r.end()?;
    match name.is_empty() {
        true => Err(r.error("no metadata.name")),
        false => Ok((namespace, name)),
    }
}
