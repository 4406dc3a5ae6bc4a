;; Emits ten million requests, in calls of nearly 1 MiB, and asks for success.
(module
  (import "sluice" "emit" (func $emit (param i32 i32) (result i32)))
  (memory (export "memory") 17)
  (data (i32.const 0) "\0a\05*\03\0a\01x")
  (func (export "sluice_abi_v1"))
  (func (export "sluice_handle") (param $len i32) (result i32)
    (local $at i32) (local $n i32)
    (loop $fill ;; 149,000 copies of a request of 7 bytes
      (memory.copy (i32.add (local.get $at) (i32.const 7)) (local.get $at) (i32.const 7))
      (local.set $at (i32.add (local.get $at) (i32.const 7)))
      (br_if $fill (i32.lt_u (local.get $at) (i32.const 1043000))))
    (loop $again
      (drop (call $emit (i32.const 0) (i32.const 1043000)))
      (local.set $n (i32.add (local.get $n) (i32.const 149000)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 10000000))))
    (i32.const 0))
)
