//! Hands the batches of a file to the module: the first is a snapshot and is
//! repeated, the others are changes.

use std::convert::TryInto;
use std::time::Instant;

use module::Closed;
use sluice::{Instance, Level, Output, COMMIT};

struct Nowhere;

impl Output for Nowhere {
    fn emit(&mut self, _: &[u8]) -> i32 {
        0
    }
    fn log(&mut self, _: Level, _: &str) {}
}

fn main() {
    let text = std::fs::read(std::env::var("SLUICE_NATIVE_BATCHES").unwrap()).unwrap();
    let (mut rest, mut batches) = (&text[..], Vec::new());
    while !rest.is_empty() {
        let n = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        batches.push(&rest[4..4 + n]);
        rest = &rest[4 + n..];
    }
    let mut instance = Instance::new(Box::new(Closed));
    let mut timed = |batch: &[u8]| {
        let start = Instant::now();
        assert_eq!(instance.handle(batch, &mut Nowhere), COMMIT);
        start.elapsed().as_nanos().to_string()
    };
    let snapshot: Vec<String> = (0..20).map(|_| timed(batches[0])).collect();
    let mut change = Vec::new();
    for _ in 0..10 {
        change.extend(batches[1..].iter().map(|b| timed(b)));
    }
    let times = format!("{{\"Snapshot\":[{}],\"Change\":[{}]}}", snapshot.join(","), change.join(","));
    std::fs::write(std::env::var("SLUICE_NATIVE_TIMES").unwrap(), times).unwrap();
}
