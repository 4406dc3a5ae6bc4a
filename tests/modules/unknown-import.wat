;; Wants a function that no host has.
(module
  (import "env" "system" (func (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "sluice_abi_v1"))
  (func (export "sluice_handle") (param $len i32) (result i32)
    (i32.const 0))
)
