//! threatlist keeps Pods apart from listed addresses: every object of kind
//! ThreatList adds its CIDRs to one set, which no Pod may reach or be reached from.
//! README.md says how to use it.
//!
//! Lists may be long (a million CIDRs, over many objects) and change often. A
//! change of one CIDR is handed to the host as a change of one CIDR.

mod cidr;
mod config;
mod lists;

use sluice::json::Reader;
use sluice::{Block, Condition, Direction, Error, Module, Object, Pods, Rule, Set, Tier, Tx};

use cidr::Cidr;
use config::Config;
use lists::Lists;

/// The kind of object that it reads.
pub const RESOURCE: &str = "threatlists.policy.sluice.dev";

/// The names of its sets.
const PODS: &str = "pods";
const THREATS: &str = "threats";

/// How many CIDRs are turned into text at a time.
const PART: usize = 1024;

/// The module.
#[derive(Default)]
pub struct ThreatList {
    lists: Lists,
}

impl Module for ThreatList {
    fn reset(&mut self) {
        *self = Self::default();
    }

    fn configure(&mut self, tx: &mut Tx, json: &[u8]) -> Result<(), Error> {
        let config = Config::read(json)?;
        tx.put_set(PODS, Pods::everywhere())?;
        if tx.reset() {
            tx.put_set(THREATS, Set::Addresses(Vec::new()))?;
        }
        for (name, direction) in [("ingress", Direction::Ingress), ("egress", Direction::Egress)] {
            match config.directions.contains(&direction) {
                true => tx.put_rule(
                    name,
                    Rule::new(Tier::Admin, direction, config.action).subjects([PODS]).peers([THREATS]).log(config.log),
                )?,
                false => tx.delete_rule(name)?,
            }
        }
        Ok(())
    }

    fn put(&mut self, tx: &mut Tx, o: &Object) -> Result<(), Error> {
        if o.resource != RESOURCE {
            return Ok(());
        }
        let (list, condition) = read(o.json);
        self.lists.put(o.name, list);
        tx.report(o.origin(""), condition)
    }

    fn delete(&mut self, _: &mut Tx, o: &Object) -> Result<(), Error> {
        if o.resource == RESOURCE {
            self.lists.delete(o.name);
        }
        Ok(())
    }

    fn finish(&mut self, tx: &mut Tx) -> Result<(), Error> {
        let (add, remove) = self.lists.changes();
        for part in remove.chunks(PART) {
            tx.patch_set(THREATS, Vec::new(), part.iter().map(Cidr::to_string).collect())?;
        }
        for part in add.chunks(PART) {
            tx.patch_set(THREATS, part.iter().map(|c| Block::new(&c.to_string())).collect(), Vec::new())?;
        }
        Ok(())
    }
}

/// The CIDRs of an object, and what its author is told. What is no CIDR is left
/// out: one slip must not open the way to all the others.
fn read(json: &[u8]) -> (Vec<Cidr>, Condition) {
    let mut list = Vec::new();
    let mut wrong: Option<(usize, String)> = None;
    let mut r = Reader::new(json);
    let read = r.object(|r, key| match key {
        "spec" => r.object(|r, key| match key {
            "cidrs" => {
                let mut index = 0;
                r.array(|r| {
                    let text = r.string()?;
                    match Cidr::parse(&text) {
                        Some(cidr) => list.push(cidr),
                        None => match &mut wrong {
                            Some((count, _)) => *count += 1,
                            None => wrong = Some((1, format!("spec.cidrs[{}] is {:?}", index, text))),
                        },
                    }
                    index += 1;
                    Ok(())
                })
            }
            _ => Ok(()),
        }),
        _ => Ok(()),
    });
    list.sort_unstable();
    list.dedup();
    let condition = match (read, wrong) {
        (Err(e), _) => {
            list.clear(); // as a fresh instance would have it
            Condition::no("Accepted", "Unreadable", &e.to_string())
        }
        (Ok(()), Some((count, first))) => Condition::no(
            "Accepted",
            "NoCIDR",
            &format!("{} of the CIDRs cannot be read and are left out; the first: {}", count, first),
        ),
        (Ok(()), None) => Condition::yes("Accepted", "Loaded", &format!("{} CIDRs", list.len())),
    };
    (list, condition)
}

sluice::export!(ThreatList);
