;; Emits from a place outside its memory.
(module
  (import "sluice" "emit" (func $emit (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "sluice_abi_v1"))
  (func (export "sluice_handle") (param $len i32) (result i32)
    (call $emit (i32.const 65530) (i32.const 100)))
)
