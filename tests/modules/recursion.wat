;; Calls itself without end and without a loop, until the stack is used up.
(module
  (memory (export "memory") 1)
  (func (export "sluice_abi_v1"))
  (func $deeper (param i32) (result i32)
    (i32.add (i32.const 1) (call $deeper (i32.add (local.get 0) (i32.const 1)))))
  (func (export "sluice_handle") (param $len i32) (result i32)
    (call $deeper (i32.const 0)))
)
