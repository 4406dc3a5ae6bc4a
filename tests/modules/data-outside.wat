;; Its data lies outside its memory.
(module
  (memory (export "memory") 1)
  (data (i32.const 65535) "too long")
  (func (export "sluice_abi_v1"))
  (func (export "sluice_handle") (param $len i32) (result i32)
    (i32.const 0))
)
