;; Emits ten million requests, each in a call of its own.
(module
  (import "sluice" "emit" (func $emit (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\0a\05*\03\0a\01x")
  (func (export "sluice_abi_v1"))
  (func (export "sluice_handle") (param $len i32) (result i32)
    (local $n i32)
    (loop $again
      (drop (call $emit (i32.const 0) (i32.const 7)))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 10000000))))
    (i32.const 0))
)
