//! Requests from bytes: what a host does. Modules need it in tests alone.

use alloc::string::ToString;
use alloc::vec::Vec;

use crate::request::*;
use crate::wire::{DecodeError, Field, Reader};

/// Reads a RequestBatch, one request after the other. After a fault it ends.
pub struct Requests<'a>(Option<Reader<'a>>);

/// Reads what one call of emit carries.
pub fn decode_requests(batch: &[u8]) -> Requests<'_> {
    Requests(Some(Reader(batch)))
}

impl Iterator for Requests<'_> {
    type Item = Result<Request, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.0.as_mut()?;
        loop {
            let read = match reader.field() {
                Ok(None) => return None,
                Ok(Some(field)) if field.number != 1 => continue,
                Ok(Some(field)) => field.bytes().and_then(request),
                Err(fault) => Err(fault),
            };
            if read.is_err() {
                self.0 = None;
            }
            return Some(read);
        }
    }
}

/// An empty request of the kind with this number in FlowRequest.
fn blank(kind: u64) -> Option<Request> {
    let name = Default::default;
    Some(match kind {
        1 => Request::PutSet { name: name(), set: None },
        2 => Request::PatchSet { name: name(), add: Vec::new(), remove: Vec::new() },
        3 => Request::DeleteSet { name: name() },
        4 => Request::PutRule { name: name(), rule: Rule::default() },
        5 => Request::DeleteRule { name: name() },
        6 => Request::PutIsolation { name: name(), isolation: Isolation::default() },
        7 => Request::DeleteIsolation { name: name() },
        8 => Request::Report { object: Origin::default(), condition: Condition::default() },
        _ => return None,
    })
}

fn request(message: &[u8]) -> Result<Request, DecodeError> {
    let mut found: Option<(u64, Request)> = None;
    Reader(message).each(|field| {
        if blank(field.number).is_none() {
            return Ok(());
        }
        // The last kind wins; several parts of one kind are merged.
        let mut r = match found.take() {
            Some((kind, r)) if kind == field.number => r,
            _ => blank(field.number).expect("the kind is known"),
        };
        Reader(field.bytes()?).each(|f| fill(&mut r, f))?;
        found = Some((field.number, r));
        Ok(())
    })?;
    found.map(|(_, r)| r).ok_or(DecodeError("a request has no kind, or one that is not known"))
}

fn fill(r: &mut Request, f: Field) -> Result<(), DecodeError> {
    match (r, f.number) {
        (Request::Report { object, .. }, 1) => return origin(object, f.bytes()?),
        (Request::Report { condition, .. }, 2) => return Reader(f.bytes()?).each(|f| fill_condition(condition, f)),
        (Request::PutSet { name, .. }, 1)
        | (Request::PatchSet { name, .. }, 1)
        | (Request::DeleteSet { name }, 1)
        | (Request::PutRule { name, .. }, 1)
        | (Request::DeleteRule { name }, 1)
        | (Request::PutIsolation { name, .. }, 1)
        | (Request::DeleteIsolation { name }, 1) => *name = f.text()?.to_string(),
        (Request::PutSet { set, .. }, kind) => return fill_set(set, kind, f),
        (Request::PatchSet { add, .. }, 2) => add.push(block(f.bytes()?)?),
        (Request::PatchSet { remove, .. }, 3) => remove.push(f.text()?.to_string()),
        (Request::PutRule { rule, .. }, 2) => return Reader(f.bytes()?).each(|f| fill_rule(rule, f)),
        (Request::PutIsolation { isolation, .. }, 2) => {
            return Reader(f.bytes()?).each(|f| fill_isolation(isolation, f))
        }
        _ => {}
    }
    Ok(())
}

fn fill_set(set: &mut Option<Set>, kind: u64, f: Field) -> Result<(), DecodeError> {
    match (kind, &set) {
        (2, Some(Set::Pods(_))) | (3, Some(Set::Nodes(_))) | (4, Some(Set::Addresses(_))) => {}
        (2, _) => *set = Some(Set::Pods(Pods::default())),
        (3, _) => *set = Some(Set::Nodes(Selector::default())),
        (4, _) => *set = Some(Set::Addresses(Vec::new())),
        _ => return Ok(()),
    }
    let fields = Reader(f.bytes()?);
    match set {
        Some(Set::Pods(p)) => fields.each(|f| {
            match f.number {
                1 => p.namespaces.push(f.text()?.to_string()),
                2 => return selector(p.namespace_selector.get_or_insert_with(Selector::default), f.bytes()?),
                3 => return selector(&mut p.pod_selector, f.bytes()?),
                _ => {}
            }
            Ok(())
        }),
        Some(Set::Nodes(s)) => fields.each(|f| if f.number == 1 { selector(s, f.bytes()?) } else { Ok(()) }),
        Some(Set::Addresses(blocks)) => fields.each(|f| {
            if f.number == 1 {
                blocks.push(block(f.bytes()?)?);
            }
            Ok(())
        }),
        None => Ok(()),
    }
}

fn block(message: &[u8]) -> Result<Block, DecodeError> {
    let mut b = Block::default();
    Reader(message).each(|f| {
        match f.number {
            1 => b.cidr = f.text()?.to_string(),
            2 => b.except.push(f.text()?.to_string()),
            _ => {}
        }
        Ok(())
    })?;
    Ok(b)
}

fn selector(s: &mut Selector, message: &[u8]) -> Result<(), DecodeError> {
    Reader(message).each(|f| {
        if f.number != 1 {
            return Ok(());
        }
        let mut r = Requirement::default();
        Reader(f.bytes()?).each(|f| {
            match f.number {
                1 => r.key = f.text()?.to_string(),
                2 => r.operator = word(Operator::from_number(f.number()?))?,
                3 => r.values.push(f.text()?.to_string()),
                _ => {}
            }
            Ok(())
        })?;
        s.requirements.push(r);
        Ok(())
    })
}

fn word<T>(known: Option<T>) -> Result<T, DecodeError> {
    known.ok_or(DecodeError("a value of an enumeration is not known"))
}

fn fill_rule(r: &mut Rule, f: Field) -> Result<(), DecodeError> {
    match f.number {
        1 => r.tier = word(Tier::from_number(f.number()?))?,
        2 => r.direction = word(Direction::from_number(f.number()?))?,
        3 => r.priority = i32::try_from(f.number()? as i64).map_err(|_| DecodeError("a number is out of its range"))?,
        4 => r.subjects.push(f.text()?.to_string()),
        5 => r.peers.push(f.text()?.to_string()),
        6 => r.any_peer = f.number()? != 0,
        7 => r.ports.push(port(f.bytes()?)?),
        8 => r.action = word(Action::from_number(f.number()?))?,
        9 => r.log = f.number()? != 0,
        10 => origin(&mut r.origin, f.bytes()?)?,
        _ => {}
    }
    Ok(())
}

fn port(message: &[u8]) -> Result<Port, DecodeError> {
    let mut p = Port::default();
    Reader(message).each(|f| {
        match f.number {
            1 => p.protocol = f.at_most(255)? as u8,
            2 => p.first = f.at_most(65535)? as u16,
            3 => p.last = f.at_most(65535)? as u16,
            4 => p.name = f.text()?.to_string(),
            5 => {
                let icmp = p.icmp.get_or_insert_with(Icmp::default);
                Reader(f.bytes()?).each(|f| {
                    match f.number {
                        1 => icmp.kind = f.at_most(255)? as u8,
                        2 => icmp.code = f.at_most(255)? as u8,
                        3 => icmp.any_code = f.number()? != 0,
                        _ => {}
                    }
                    Ok(())
                })?;
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(p)
}

fn fill_isolation(i: &mut Isolation, f: Field) -> Result<(), DecodeError> {
    match f.number {
        1 => i.tier = word(Tier::from_number(f.number()?))?,
        2 => i.direction = word(Direction::from_number(f.number()?))?,
        3 => i.subjects.push(f.text()?.to_string()),
        4 => origin(&mut i.origin, f.bytes()?)?,
        _ => {}
    }
    Ok(())
}

fn origin(o: &mut Origin, message: &[u8]) -> Result<(), DecodeError> {
    Reader(message).each(|f| {
        match f.number {
            1 => o.resource = f.text()?.to_string(),
            2 => o.namespace = f.text()?.to_string(),
            3 => o.name = f.text()?.to_string(),
            4 => o.rule = f.text()?.to_string(),
            _ => {}
        }
        Ok(())
    })
}

fn fill_condition(c: &mut Condition, f: Field) -> Result<(), DecodeError> {
    match f.number {
        1 => c.kind = f.text()?.to_string(),
        2 => c.status = f.number()? != 0,
        3 => c.reason = f.text()?.to_string(),
        4 => c.message = f.text()?.to_string(),
        _ => {}
    }
    Ok(())
}
