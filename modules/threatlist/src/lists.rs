//! The lists by name, and what has changed in their union.

use std::collections::BTreeMap;

use crate::cidr::Cidr;

/// Sorted lists without doubles, by the name of their object.
#[derive(Default)]
pub struct Lists {
    lists: BTreeMap<String, Vec<Cidr>>,
    /// What changes have touched, and whether the union had it before them.
    touched: BTreeMap<Cidr, bool>,
    /// Somebody has asked what changed. Before that everything is new, and what
    /// is touched need not be noted.
    told: bool,
}

impl Lists {
    fn has(&self, cidr: &Cidr) -> bool {
        self.lists.values().any(|list| list.binary_search(cidr).is_ok())
    }

    /// Replaces a list; the new one is sorted and without doubles.
    pub fn put(&mut self, name: &str, list: Vec<Cidr>) {
        if self.told {
            let nothing = Vec::new();
            let before = self.lists.get(name).unwrap_or(&nothing);
            for cidr in one_sided(before, &list) {
                if !self.touched.contains_key(&cidr) {
                    let had = self.has(&cidr);
                    self.touched.insert(cidr, had);
                }
            }
        }
        if list.is_empty() {
            self.lists.remove(name);
        } else {
            self.lists.insert(name.to_string(), list);
        }
    }

    /// Removes a list.
    pub fn delete(&mut self, name: &str) {
        self.put(name, Vec::new());
    }

    /// What the union has gained and lost since the last call; the first tells all.
    pub fn changes(&mut self) -> (Vec<Cidr>, Vec<Cidr>) {
        if !self.told {
            self.told = true;
            let mut all: Vec<Cidr> = self.lists.values().flatten().copied().collect();
            all.sort_unstable();
            all.dedup();
            return (all, Vec::new());
        }
        let (mut gained, mut lost) = (Vec::new(), Vec::new());
        for (cidr, had) in std::mem::take(&mut self.touched) {
            match (had, self.has(&cidr)) {
                (false, true) => gained.push(cidr),
                (true, false) => lost.push(cidr),
                _ => {}
            }
        }
        (gained, lost)
    }
}

/// What is in one of two sorted lists and not in the other.
fn one_sided(a: &[Cidr], b: &[Cidr]) -> Vec<Cidr> {
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) if x == y => (i, j) = (i + 1, j + 1),
            (Some(x), y) if y.map_or(true, |y| x < y) => {
                out.push(*x);
                i += 1;
            }
            _ => {
                out.push(b[j]);
                j += 1;
            }
        }
    }
    out
}
