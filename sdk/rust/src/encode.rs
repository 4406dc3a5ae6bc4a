//! Requests as bytes.

use alloc::vec::Vec;

use crate::request::*;
use crate::wire::Writer;

/// A set with more blocks is put with the first of them and patched with the
/// rest, so that no request comes near the 1 MiB that one call of emit takes.
const BLOCKS_PER_REQUEST: usize = 1024;

impl Request {
    /// Appends the request as a field of a RequestBatch. A large set of addresses,
    /// or a large patch, becomes several requests.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        match self {
            Request::PutSet { name, set: Some(Set::Addresses(blocks)) } if blocks.len() > BLOCKS_PER_REQUEST => {
                let (first, rest) = blocks.split_at(BLOCKS_PER_REQUEST);
                request(out, 1, |w| {
                    w.text(1, name);
                    w.message(4, |w| append_blocks(w, 1, first));
                });
                append_patch(out, name, rest, &[]);
            }
            Request::PutSet { name, set } => request(out, 1, |w| {
                w.text(1, name);
                append_set(w, set.as_ref());
            }),
            Request::PatchSet { name, add, remove } => append_patch(out, name, add, remove),
            Request::DeleteSet { name } => request(out, 3, |w| w.text(1, name)),
            Request::PutRule { name, rule } => request(out, 4, |w| {
                w.text(1, name);
                w.message_unless_empty(2, |w| append_rule(w, rule));
            }),
            Request::DeleteRule { name } => request(out, 5, |w| w.text(1, name)),
            Request::PutIsolation { name, isolation } => request(out, 6, |w| {
                w.text(1, name);
                w.message_unless_empty(2, |w| append_isolation(w, isolation));
            }),
            Request::DeleteIsolation { name } => request(out, 7, |w| w.text(1, name)),
            Request::Report { object, condition } => request(out, 8, |w| {
                append_origin(w, 1, object);
                append_condition(w, 2, condition);
            }),
        }
    }
}

fn request(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Writer)) {
    Writer(out).message(1, |w| w.message(kind, body));
}

fn append_patch(out: &mut Vec<u8>, name: &str, mut add: &[Block], mut remove: &[alloc::string::String]) {
    loop {
        let removes = remove.len().min(BLOCKS_PER_REQUEST);
        let adds = add.len().min(BLOCKS_PER_REQUEST - removes);
        request(out, 2, |w| {
            w.text(1, name);
            append_blocks(w, 2, &add[..adds]);
            w.texts(3, &remove[..removes]);
        });
        add = &add[adds..];
        remove = &remove[removes..];
        if add.is_empty() && remove.is_empty() {
            return;
        }
    }
}

fn append_set(w: &mut Writer, set: Option<&Set>) {
    match set {
        Some(Set::Pods(p)) => w.message(2, |w| {
            w.texts(1, &p.namespaces);
            if let Some(s) = &p.namespace_selector {
                // Empty is "every namespace": it must be written.
                w.message(2, |w| append_selector(w, s));
            }
            w.message_unless_empty(3, |w| append_selector(w, &p.pod_selector));
        }),
        Some(Set::Nodes(s)) => w.message(3, |w| w.message_unless_empty(1, |w| append_selector(w, s))),
        Some(Set::Addresses(blocks)) => w.message(4, |w| append_blocks(w, 1, blocks)),
        None => {}
    }
}

fn append_blocks(w: &mut Writer, field: u8, blocks: &[Block]) {
    for b in blocks {
        w.message(field, |w| {
            w.text(1, &b.cidr);
            w.texts(2, &b.except);
        });
    }
}

fn append_selector(w: &mut Writer, s: &Selector) {
    for r in &s.requirements {
        w.message(1, |w| {
            w.text(1, &r.key);
            w.number(2, r.operator as u64);
            w.texts(3, &r.values);
        });
    }
}

fn append_rule(w: &mut Writer, r: &Rule) {
    w.number(1, r.tier as u64);
    w.number(2, r.direction as u64);
    w.number(3, i64::from(r.priority) as u64);
    w.texts(4, &r.subjects);
    w.texts(5, &r.peers);
    w.number(6, r.any_peer.into());
    for p in &r.ports {
        w.message(7, |w| append_port(w, p));
    }
    w.number(8, r.action as u64);
    w.number(9, r.log.into());
    append_origin(w, 10, &r.origin);
}

fn append_port(w: &mut Writer, p: &Port) {
    w.number(1, p.protocol.into());
    w.number(2, p.first.into());
    w.number(3, p.last.into());
    w.text(4, &p.name);
    if let Some(icmp) = p.icmp {
        // Empty is "type 0, code 0": it must be written.
        w.message(5, |w| {
            w.number(1, icmp.kind.into());
            w.number(2, icmp.code.into());
            w.number(3, icmp.any_code.into());
        });
    }
}

fn append_isolation(w: &mut Writer, i: &Isolation) {
    w.number(1, i.tier as u64);
    w.number(2, i.direction as u64);
    w.texts(3, &i.subjects);
    append_origin(w, 4, &i.origin);
}

fn append_origin(w: &mut Writer, field: u8, o: &Origin) {
    w.message_unless_empty(field, |w| {
        w.text(1, &o.resource);
        w.text(2, &o.namespace);
        w.text(3, &o.name);
        w.text(4, &o.rule);
    });
}

fn append_condition(w: &mut Writer, field: u8, c: &Condition) {
    w.message_unless_empty(field, |w| {
        w.text(1, &c.kind);
        w.number(2, c.status.into());
        w.text(3, &c.reason);
        w.text(4, &c.message);
    });
}
