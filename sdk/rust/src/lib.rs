//! What the author of a Sluice policy module in Rust imports.
//!
//! A module is a type with the trait [`Module`], named once:
//!
//! ```
//! use sluice::{Action, Direction, Error, Module, Object, Pods, Rule, Tier, Tx};
//!
//! /// Lets the Pods of a namespace reach each other.
//! #[derive(Default)]
//! struct Neighbours;
//!
//! impl Module for Neighbours {
//!     fn put(&mut self, tx: &mut Tx, o: &Object) -> Result<(), Error> {
//!         tx.declare(&o.id())
//!             .set(o.name, Pods::of_namespaces([o.name]))
//!             .rule(o.name, Rule::new(Tier::Baseline, Direction::Ingress, Action::Allow)
//!                 .subjects([o.name])
//!                 .peers([o.name])
//!                 .origin(o.origin("")))
//!             .end()
//!     }
//!     fn delete(&mut self, tx: &mut Tx, o: &Object) -> Result<(), Error> {
//!         tx.declare(&o.id()).end()
//!     }
//! }
//!
//! sluice::export!(Neighbours);
//! ```
//!
//! The host hands objects over in batches; the module answers through the [`Tx`]
//! that every method gets. All requests of a batch take effect together, after the
//! last method has returned. If a method returns an error, or the host refuses a
//! request, none does, and the host hands the whole state over again. So an error
//! means "this cannot go on", not "this object is wrong": say the latter with a
//! [`Report`](Request::Report).
//!
//! Most modules need [`Tx::declare`] alone: "these are the requests that this
//! object stands for". What to put and what to delete follows from it.
//!
//! The crate is `no_std` with `alloc` and has no dependencies. Outside of Wasm the
//! same code runs under `cargo test`: see the module `testing`. The contract is
//! `abi/README.md` of Sluice.
#![no_std]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(not(target_arch = "wasm32"))]
extern crate std;

mod build;
mod declare;
mod decode;
mod encode;
mod event;
pub mod json;
mod module;
mod request;
mod tx;
mod wire;

#[cfg(target_arch = "wasm32")]
mod guest;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use declare::{Conflict, Declaration};
pub use decode::{decode_requests, Requests};
pub use event::{Batch, Event, Events, Object};
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub use guest::Guest;
pub use module::{Error, Instance, Module, Output, CANNOT_DO, COMMIT, UNREADABLE};
pub use request::{
    Action, Block, Condition, Direction, Icmp, Isolation, Operator, Origin, Pods, Port, Request, Requirement, Rule,
    Selector, Set, Tier, ICMP, ICMPV6, SCTP, TCP, UDP,
};
pub use tx::{Level, Refusal, Tx};
pub use wire::DecodeError;

/// Says which type is the module of this Wasm file; it must have `Default`.
/// Outside of Wasm it does nothing: tests make the module themselves.
#[macro_export]
macro_rules! export {
    ($module:ty) => {
        #[cfg(target_arch = "wasm32")]
        mod sluice_exports {
            use super::*;
            static GUEST: $crate::Guest = $crate::Guest::new();

            #[no_mangle]
            pub extern "C" fn sluice_abi_v1() {}

            #[no_mangle]
            pub extern "C" fn sluice_handle(length: u32) -> i32 {
                GUEST.handle(length as usize, || $crate::boxed(<$module as ::core::default::Default>::default()))
            }
        }
    };
}

#[doc(hidden)]
pub fn boxed<M: Module + 'static>(module: M) -> alloc::boxed::Box<dyn Module> {
    alloc::boxed::Box::new(module)
}
