//! The Wasm side: imports, and the one instance that the exports work on.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::UnsafeCell;

use crate::module::{Instance, Module, Output};
use crate::tx::Level;

mod import {
    #[link(wasm_import_module = "sluice")]
    extern "C" {
        pub fn recv(to: *mut u8, room: usize) -> i32;
        pub fn emit(requests: *const u8, length: usize) -> i32;
        pub fn log(level: i32, text: *const u8, length: usize);
    }
}

/// What is kept of a batch's buffer: a snapshot is large, and comes seldom.
const KEPT: usize = 1 << 20;

struct Host;

impl Output for Host {
    fn emit(&mut self, requests: &[u8]) -> i32 {
        // SAFETY: the host reads these bytes, and only before it returns.
        unsafe { import::emit(requests.as_ptr(), requests.len()) }
    }

    fn log(&mut self, level: Level, text: &str) {
        // SAFETY: as in emit.
        unsafe { import::log(level as i32, text.as_ptr(), text.len()) }
    }
}

/// The module of a Wasm instance. [`export!`](crate::export) makes the only one.
pub struct Guest(UnsafeCell<Option<(Instance, Vec<u8>)>>);

// SAFETY: a Wasm instance has one thread, and the host's calls do not nest.
unsafe impl Sync for Guest {}

impl Guest {
    /// Without an instance: the first batch makes it.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Guest(UnsafeCell::new(None))
    }

    /// What `sluice_handle` does.
    pub fn handle(&self, length: usize, make: impl FnOnce() -> Box<dyn Module>) -> i32 {
        // SAFETY: nobody else has a reference: see Sync.
        let state = unsafe { &mut *self.0.get() };
        let (instance, batch) = state.get_or_insert_with(|| (Instance::new(make()), Vec::new()));
        batch.clear();
        batch.resize(length, 0);
        // SAFETY: the host writes at most length bytes to memory that is ours.
        let received = unsafe { import::recv(batch.as_mut_ptr(), batch.len()) };
        if received < 0 {
            core::arch::wasm32::unreachable();
        }
        let answer = instance.handle(&batch[..received as usize], &mut Host);
        if batch.capacity() > KEPT {
            *batch = Vec::new();
        }
        answer
    }
}
