//! What stands for what, and the difference to what is in force.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::module::Error;
use crate::request::*;
use crate::tx::Tx;

/// Two declarations give one name two meanings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// "set", "rule", "isolation" or "report".
    pub kind: &'static str,
    /// The name of which there are two.
    pub name: String,
    /// Who declares it now. What it declared before stays.
    pub owner: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} is declared by {} and is there already, with different content",
            self.kind, self.name, self.owner
        )
    }
}

/// The name spaces of requests, in the order of putting; deletes go the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Set,
    Isolation,
    Rule,
    Report,
}

type Key = (Kind, String);

/// What an owner stands for, while it is being said. It is in force when the
/// batch is committed, and only after [`end`](Declaration::end).
///
/// Several owners may declare the same thing under the same name (a set that both
/// use): it stays until the last of them lets go of it. So derive names of shared
/// sets from their content, and others from the owner. A report is sent when it is
/// new or has changed.
#[must_use = "a declaration takes effect with end()"]
pub struct Declaration<'t, 'a> {
    tx: &'t mut Tx<'a>,
    owner: String,
    requests: Vec<(Key, Vec<u8>)>,
}

impl<'t, 'a> Declaration<'t, 'a> {
    pub(crate) fn new(tx: &'t mut Tx<'a>, owner: &str) -> Self {
        Declaration { tx, owner: owner.to_string(), requests: Vec::new() }
    }

    fn add(mut self, kind: Kind, name: String, request: Request) -> Self {
        let mut encoded = Vec::new();
        request.append_to(&mut encoded);
        self.requests.push(((kind, name), encoded));
        self
    }

    /// A set.
    pub fn set(self, name: &str, set: impl Into<Set>) -> Self {
        self.add(Kind::Set, name.to_string(), Request::PutSet { name: name.to_string(), set: Some(set.into()) })
    }

    /// A rule.
    pub fn rule(self, name: &str, rule: Rule) -> Self {
        self.add(Kind::Rule, name.to_string(), Request::PutRule { name: name.to_string(), rule })
    }

    /// An isolation.
    pub fn isolation(self, name: &str, isolation: Isolation) -> Self {
        self.add(Kind::Isolation, name.to_string(), Request::PutIsolation { name: name.to_string(), isolation })
    }

    /// A condition of an object.
    pub fn report(self, object: Origin, condition: Condition) -> Self {
        let name = [&*object.resource, &object.namespace, &object.name, &object.rule, &condition.kind].join("/");
        self.add(Kind::Report, name, Request::Report { object, condition })
    }

    /// That was all. The error is a [`Conflict`] in words, and then the owner
    /// stands for what it stood for before.
    pub fn end(self) -> Result<(), Error> {
        self.tx.declared.declare(self.owner, self.requests).map_err(Error::new)
    }
}

/// One name of one kind. Requests are encoded; empty is "not there".
#[derive(Default)]
struct Entry {
    wanted: Vec<u8>,
    in_force: Vec<u8>,
    owners: usize,
}

#[derive(Default)]
pub(crate) struct Declarations {
    owners: BTreeMap<String, Vec<Key>>,
    entries: BTreeMap<Key, Entry>,
    dirty: BTreeSet<Key>,
}

impl Declarations {
    fn declare(&mut self, owner: String, requests: Vec<(Key, Vec<u8>)>) -> Result<(), Conflict> {
        let before = self.owners.remove(&owner).unwrap_or_default();
        let mut after: BTreeMap<Key, Vec<u8>> = BTreeMap::new();
        for (key, encoded) in requests {
            let mine = before.contains(&key) as usize;
            let other = match (after.get(&key), self.entries.get(&key)) {
                (Some(twice), _) => *twice != encoded,
                (None, Some(entry)) => entry.owners > mine && entry.wanted != encoded,
                (None, None) => false,
            };
            if other {
                let kind = ["set", "isolation", "rule", "report"][key.0 as usize];
                self.owners.insert(owner.clone(), before);
                return Err(Conflict { kind, name: key.1, owner });
            }
            after.insert(key, encoded);
        }
        for key in before {
            let entry = self.entries.get_mut(&key).expect("what an owner has is there");
            entry.owners -= 1;
            if entry.owners == 0 && !after.contains_key(&key) {
                entry.wanted.clear();
                self.dirty.insert(key);
            }
        }
        let keys: Vec<Key> = after.keys().cloned().collect();
        for (key, encoded) in after {
            let entry = self.entries.entry(key.clone()).or_default();
            entry.owners += 1;
            if entry.wanted != encoded {
                entry.wanted = encoded;
                self.dirty.insert(key);
            }
        }
        if !keys.is_empty() {
            self.owners.insert(owner, keys);
        }
        Ok(())
    }

    /// The requests that make the host's state the wanted one. Deletes come first,
    /// so that a module near a limit of the host can swap one thing for another.
    pub fn difference(&self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for key in self.dirty.iter().rev() {
            let entry = &self.entries[key];
            if entry.wanted.is_empty() && !entry.in_force.is_empty() {
                all.push(delete(key));
            }
        }
        for key in &self.dirty {
            let entry = &self.entries[key];
            if !entry.wanted.is_empty() && entry.wanted != entry.in_force {
                all.push(entry.wanted.clone());
            }
        }
        all
    }

    /// The host has everything that is wanted.
    pub fn committed(&mut self) {
        for key in core::mem::take(&mut self.dirty) {
            let entry = self.entries.get_mut(&key).expect("what is dirty is there");
            entry.in_force = entry.wanted.clone();
            if entry.owners == 0 {
                self.entries.remove(&key);
            }
        }
    }
}

fn delete(key: &Key) -> Vec<u8> {
    let name = key.1.clone();
    let request = match key.0 {
        Kind::Set => Request::DeleteSet { name },
        Kind::Isolation => Request::DeleteIsolation { name },
        Kind::Rule => Request::DeleteRule { name },
        Kind::Report => return Vec::new(), // cannot be taken back
    };
    let mut encoded = Vec::new();
    request.append_to(&mut encoded);
    encoded
}
