//! The event loop.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::fmt;

use crate::declare::Declarations;
use crate::event::{Batch, Event, Object};
use crate::tx::{Level, Refusal, Tx};

/// What `sluice_handle` returns: what was emitted takes effect.
pub const COMMIT: i32 = 0;
/// What was emitted is dropped, and the whole state follows.
pub const CANNOT_DO: i32 = 1;
/// The batch does not read: fatal.
pub const UNREADABLE: i32 = 2;

/// Why a batch cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The module says so.
    Failed(String),
    /// The host has refused a request.
    Refused(Refusal),
}

impl Error {
    /// An error of the module's own.
    pub fn new(text: impl fmt::Display) -> Self {
        Error::Failed(text.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Failed(text) => f.write_str(text),
            Error::Refused(refusal) => write!(f, "the host refuses: {}", refusal),
        }
    }
}

/// Policy logic. The host's events come one at a time; what is done with the
/// [`Tx`] takes effect at the end of the batch.
pub trait Module {
    /// Forget everything: what follows, in the same batch, is the whole state.
    /// What was declared has been forgotten already.
    fn reset(&mut self) {}

    /// The operator's configuration: JSON that the module's configSchema has
    /// accepted, or nothing. First after a reset, and again when it changes.
    fn configure(&mut self, _tx: &mut Tx, _json: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    /// An object is new or has changed.
    fn put(&mut self, _tx: &mut Tx, _object: &Object) -> Result<(), Error> {
        Ok(())
    }

    /// An object is gone.
    fn delete(&mut self, _tx: &mut Tx, _object: &Object) -> Result<(), Error> {
        Ok(())
    }

    /// The wall clock, in nanoseconds since 1970-01-01 UTC, if the manifest asks
    /// for it.
    fn tick(&mut self, _tx: &mut Tx, _unix_nanos: i64) -> Result<(), Error> {
        Ok(())
    }

    /// After the last event of a batch: for modules whose requests depend on many
    /// objects at a time.
    fn finish(&mut self, _tx: &mut Tx) -> Result<(), Error> {
        Ok(())
    }
}

/// Where requests and lines go: the imports of the ABI in Wasm, a host in tests.
pub trait Output {
    /// Stages an encoded RequestBatch, and answers as `sluice.emit` does.
    fn emit(&mut self, requests: &[u8]) -> i32;
    /// Writes a line for the operator.
    fn log(&mut self, level: Level, text: &str);
}

/// Runs one module.
pub struct Instance {
    module: Box<dyn Module>,
    declared: Declarations,
}

impl Instance {
    /// An instance that has seen no batch.
    pub fn new(module: Box<dyn Module>) -> Self {
        Instance { module, declared: Declarations::default() }
    }

    /// Takes one encoded EventBatch and returns what `sluice_handle` returns.
    ///
    /// Every event is handed to the module even after one has failed: the operator
    /// is told of all that is wrong.
    pub fn handle(&mut self, bytes: &[u8], out: &mut dyn Output) -> i32 {
        let batch = match Batch::decode(bytes) {
            Ok(batch) => batch,
            Err(fault) => {
                out.log(Level::Error, &alloc::format!("batch: {}", fault));
                return UNREADABLE;
            }
        };
        if batch.reset {
            self.declared = Declarations::default();
            self.module.reset();
        }
        let mut tx = Tx::new(out, &mut self.declared, &batch);
        for event in batch.events() {
            let result = match event {
                Ok(Event::Configure(json)) => self.module.configure(&mut tx, json),
                Ok(Event::Put(o)) => self.module.put(&mut tx, &o),
                Ok(Event::Delete(o)) => self.module.delete(&mut tx, &o),
                Ok(Event::Tick(nanos)) => self.module.tick(&mut tx, nanos),
                Err(fault) => {
                    tx.log(Level::Error, &alloc::format!("batch: {}", fault));
                    return UNREADABLE;
                }
            };
            tx.note(result, event.ok().as_ref());
        }
        let result = self.module.finish(&mut tx);
        tx.note(result, None);
        match tx.end() {
            true => COMMIT,
            false => CANNOT_DO,
        }
    }
}
