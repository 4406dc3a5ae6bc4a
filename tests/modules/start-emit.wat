;; Emits before there is a batch.
(module
  (import "sluice" "emit" (func $emit (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "sluice_abi_v1"))
  (func $start (drop (call $emit (i32.const 0) (i32.const 0))))
  (start $start)
  (func (export "sluice_handle") (param $len i32) (result i32)
    (i32.const 0))
)
