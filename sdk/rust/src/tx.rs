//! What one batch asks for.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::declare::{Declaration, Declarations};
use crate::event::{Batch, Event};
use crate::module::{Error, Output};
use crate::request::*;

/// How many bytes go to the host in one call of emit, unless a single request is
/// larger: far below the 1 MiB that a host takes.
const CHUNK: usize = 256 << 10;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Level {
    Debug = 0,
    Info = 1,
    Warn = 2,
    Error = 3,
}

/// An answer of `sluice.emit` other than 0. The host tells the operator which
/// request it was about, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(
    /// The answer.
    pub i32,
);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            -1 => "malformed request",
            -2 => "too large for one call of emit",
            -3 => "not granted to this module",
            -4 => "over a limit of this module",
            -5 => "names a set that does not exist",
            _ => "for a reason that this version does not know",
        };
        write!(f, "{} ({})", text, self.0)
    }
}

/// Collects what one batch asks for.
///
/// There are two ways to use it, and a module may use both for different names:
/// [`declare`](Tx::declare), which remembers what is in force and works out the
/// difference, and the methods that say put and delete. What is declared goes to
/// the host when the batch ends, after the rest.
///
/// After a refusal, or an error of the module, the batch is lost: further calls
/// change nothing at the host and return the same error.
pub struct Tx<'a> {
    out: &'a mut dyn Output,
    pub(crate) declared: &'a mut Declarations,
    sequence: u64,
    reset: bool,
    buffer: Vec<u8>, // whole requests, not emitted yet
    failed: Option<Error>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(out: &'a mut dyn Output, declared: &'a mut Declarations, batch: &Batch) -> Self {
        Tx { out, declared, sequence: batch.sequence, reset: batch.reset, buffer: Vec::new(), failed: None }
    }

    /// The number of the batch.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether the batch is the whole state.
    pub fn reset(&self) -> bool {
        self.reset
    }

    /// Writes a line for the operator. The host limits how many it shows.
    pub fn log(&mut self, level: Level, text: &str) {
        self.out.log(level, text);
    }

    /// Says that `owner` stands for exactly what follows, and no longer for what
    /// it declared before: see [`Declaration`].
    pub fn declare<'t>(&'t mut self, owner: &str) -> Declaration<'t, 'a> {
        Declaration::new(self, owner)
    }

    /// Creates a set or replaces it whole.
    pub fn put_set(&mut self, name: &str, set: impl Into<Set>) -> Result<(), Error> {
        self.emit(&Request::PutSet { name: name.to_string(), set: Some(set.into()) })
    }

    /// Changes a set of addresses in place.
    pub fn patch_set(&mut self, name: &str, add: Vec<Block>, remove: Vec<String>) -> Result<(), Error> {
        self.emit(&Request::PatchSet { name: name.to_string(), add, remove })
    }

    /// Removes a set; when the batch ends nothing may name it.
    pub fn delete_set(&mut self, name: &str) -> Result<(), Error> {
        self.emit(&Request::DeleteSet { name: name.to_string() })
    }

    /// Creates a rule or replaces it whole.
    pub fn put_rule(&mut self, name: &str, rule: Rule) -> Result<(), Error> {
        self.emit(&Request::PutRule { name: name.to_string(), rule })
    }

    /// Removes a rule.
    pub fn delete_rule(&mut self, name: &str) -> Result<(), Error> {
        self.emit(&Request::DeleteRule { name: name.to_string() })
    }

    /// Creates an isolation or replaces it whole.
    pub fn put_isolation(&mut self, name: &str, isolation: Isolation) -> Result<(), Error> {
        self.emit(&Request::PutIsolation { name: name.to_string(), isolation })
    }

    /// Removes an isolation.
    pub fn delete_isolation(&mut self, name: &str) -> Result<(), Error> {
        self.emit(&Request::DeleteIsolation { name: name.to_string() })
    }

    /// Tells the author of an object what became of it.
    pub fn report(&mut self, object: Origin, condition: Condition) -> Result<(), Error> {
        self.emit(&Request::Report { object, condition })
    }

    /// Asks for one request of any kind.
    pub fn emit(&mut self, request: &Request) -> Result<(), Error> {
        let mut encoded = Vec::new();
        request.append_to(&mut encoded);
        self.emit_encoded(&encoded)
    }

    /// Takes any number of whole requests, and hands what is collected to the
    /// host whenever the next one would make it larger than CHUNK.
    fn emit_encoded(&mut self, mut requests: &[u8]) -> Result<(), Error> {
        while !requests.is_empty() && self.failed.is_none() {
            let (first, rest) = requests.split_at(first_request(requests));
            if !self.buffer.is_empty() && self.buffer.len() + first.len() > CHUNK {
                self.flush();
            }
            self.buffer.extend_from_slice(first);
            requests = rest;
        }
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn flush(&mut self) {
        if self.failed.is_none() && !self.buffer.is_empty() {
            match self.out.emit(&self.buffer) {
                0 => {}
                answer => self.note(Err(Error::Refused(Refusal(answer))), None),
            }
        }
        self.buffer.clear();
    }

    /// Remembers the first error and logs each, with what was being handled.
    pub(crate) fn note(&mut self, result: Result<(), Error>, event: Option<&Event>) {
        let error = match result {
            Err(error) if self.failed.as_ref() != Some(&error) => error,
            _ => return, // a method may pass on what it was told
        };
        let text = match event {
            Some(Event::Configure(_)) => alloc::format!("configuration: {}", error),
            Some(Event::Put(o)) | Some(Event::Delete(o)) => alloc::format!("{}: {}", o.id(), error),
            _ => error.to_string(),
        };
        self.log(Level::Error, &text);
        self.failed.get_or_insert(error);
    }

    /// Emits what declarations come to and what is left over, and says whether
    /// the batch can be committed.
    pub(crate) fn end(mut self) -> bool {
        for request in self.declared.difference() {
            if self.emit_encoded(&request).is_err() {
                return false;
            }
        }
        self.flush();
        if self.failed.is_none() {
            self.declared.committed();
        }
        self.failed.is_none()
    }
}

/// The length of the first request: a tag of one byte, a length, that many bytes.
fn first_request(requests: &[u8]) -> usize {
    let mut length = 0;
    for (i, &c) in requests.iter().enumerate().skip(1) {
        length |= usize::from(c & 0x7f) << (7 * (i - 1));
        if c < 0x80 {
            return i + 1 + length;
        }
    }
    requests.len()
}
