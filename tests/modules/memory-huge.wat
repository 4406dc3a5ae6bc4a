;; Declares 4 GiB of memory.
(module
  (memory (export "memory") 65536)
  (func (export "sluice_abi_v1"))
  (func (export "sluice_handle") (param $len i32) (result i32)
    (i32.const 0))
)
