;; Calls itself twice at each of 64 levels: the stack stays small, there is no loop, and it
;; would take centuries.
(module
  (memory (export "memory") 1)
  (func (export "sluice_abi_v1"))
  (func $twice (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0))
      (then (i32.const 1))
      (else (i32.add
        (call $twice (i32.sub (local.get 0) (i32.const 1)))
        (call $twice (i32.sub (local.get 0) (i32.const 1)))))))
  (func (export "sluice_handle") (param $len i32) (result i32)
    (call $twice (i32.const 64)))
)
