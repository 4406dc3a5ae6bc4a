//! What the host says.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::request::Origin;
use crate::wire::{DecodeError, Reader, Writer};

/// An object of the cluster, as in the Kubernetes API. It is a part of the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Object<'a> {
    /// "networkpolicies.networking.k8s.io", "pods".
    pub resource: &'a str,
    /// Empty for objects without one.
    pub namespace: &'a str,
    /// Of the object.
    pub name: &'a str,
    /// Another uid under the same name is another object.
    pub uid: &'a str,
    /// metadata.generation; 0 if the resource has none.
    pub generation: i64,
    /// The object; empty when it is gone.
    pub json: &'a [u8],
}

impl Object<'_> {
    /// "resource/namespace/name": for [`Tx::declare`](crate::Tx::declare), and for
    /// names of sets and rules (at most 253 bytes).
    pub fn id(&self) -> String {
        [self.resource, self.namespace, self.name].join("/")
    }

    /// A place in the object that a request comes from; empty is all of it.
    pub fn origin(&self, rule: &str) -> Origin {
        Origin {
            resource: self.resource.to_string(),
            namespace: self.namespace.to_string(),
            name: self.name.to_string(),
            rule: rule.to_string(),
        }
    }
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The operator's configuration: JSON, or nothing.
    Configure(&'a [u8]),
    /// An object is new or has changed.
    Put(Object<'a>),
    /// An object is gone.
    Delete(Object<'a>),
    /// The wall clock, in nanoseconds since 1970-01-01 UTC.
    Tick(i64),
}

impl<'a> Event<'a> {
    fn blank(kind: u64) -> Option<Self> {
        match kind {
            1 => Some(Event::Configure(&[])),
            2 => Some(Event::Put(Object::default())),
            3 => Some(Event::Delete(Object::default())),
            4 => Some(Event::Tick(0)),
            _ => None,
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Event::Configure(_) => 1,
            Event::Put(_) => 2,
            Event::Delete(_) => 3,
            Event::Tick(_) => 4,
        }
    }

    fn fill(&mut self, message: &'a [u8]) -> Result<(), DecodeError> {
        Reader(message).each(|f| {
            match (&mut *self, f.number) {
                (Event::Configure(json), 1) => *json = f.bytes()?,
                (Event::Tick(nanos), 1) => *nanos = f.number()? as i64,
                (Event::Put(o), 1) | (Event::Delete(o), 1) => o.resource = f.text()?,
                (Event::Put(o), 2) | (Event::Delete(o), 2) => o.namespace = f.text()?,
                (Event::Put(o), 3) | (Event::Delete(o), 3) => o.name = f.text()?,
                (Event::Put(o), 4) | (Event::Delete(o), 4) => o.uid = f.text()?,
                (Event::Put(o), 5) => o.generation = f.number()? as i64,
                (Event::Put(o), 6) => o.json = f.bytes()?,
                _ => {}
            }
            Ok(())
        })
    }

    /// None if the kind is one of a later version.
    fn decode(message: &'a [u8]) -> Result<Option<Self>, DecodeError> {
        let mut found: Option<Event> = None;
        Reader(message).each(|field| {
            if let Some(blank) = Event::blank(field.number) {
                // The last kind wins; several parts of one kind are merged.
                let event = match &mut found {
                    Some(e) if u64::from(e.kind()) == field.number => e,
                    other => other.insert(blank),
                };
                event.fill(field.bytes()?)?;
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Appends the event as a field of an EventBatch: what a host does.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        Writer(out).message(3, |w| {
            w.message(self.kind(), |w| match self {
                Event::Configure(json) => w.bytes(1, json),
                Event::Tick(nanos) => w.number(1, *nanos as u64),
                Event::Put(o) | Event::Delete(o) => {
                    w.text(1, o.resource);
                    w.text(2, o.namespace);
                    w.text(3, o.name);
                    w.text(4, o.uid);
                    if let Event::Put(o) = self {
                        w.number(5, o.generation as u64);
                        w.bytes(6, o.json);
                    }
                }
            })
        });
    }
}

/// The head of an EventBatch, and the way to its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<'a> {
    /// Counts the batches of an instance, from 1.
    pub sequence: u64,
    /// Forget everything: the events are the whole state.
    pub reset: bool,
    bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Reads the head and checks the frame of what follows.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut batch = Batch { sequence: 0, reset: false, bytes };
        Reader(bytes).each(|f| {
            match f.number {
                1 => batch.sequence = f.number()?,
                2 => batch.reset = f.number()? != 0,
                _ => {}
            }
            Ok(())
        })?;
        Ok(batch)
    }

    /// The events, in order; kinds of later versions are passed over.
    pub fn events(&self) -> Events<'a> {
        Events(Some(Reader(self.bytes)))
    }

    /// Appends a head; append the events after it. What a host does.
    pub fn append_head(out: &mut Vec<u8>, sequence: u64, reset: bool) {
        let mut w = Writer(out);
        w.number(1, sequence);
        w.number(2, reset.into());
    }
}

/// The events of a [`Batch`]. After a fault it ends.
pub struct Events<'a>(Option<Reader<'a>>);

impl<'a> Iterator for Events<'a> {
    type Item = Result<Event<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.0.as_mut()?;
        loop {
            let read = match reader.field() {
                Ok(None) => return None,
                Ok(Some(field)) if field.number != 3 => continue,
                Ok(Some(field)) => field.bytes().and_then(Event::decode),
                Err(fault) => Err(fault),
            };
            match read {
                Ok(None) => continue,
                Ok(Some(event)) => return Some(Ok(event)),
                Err(fault) => {
                    self.0 = None;
                    return Some(Err(fault));
                }
            }
        }
    }
}
