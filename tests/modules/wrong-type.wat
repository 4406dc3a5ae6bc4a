;; Exports sluice_handle with a wrong type.
(module
  (memory (export "memory") 1)
  (func (export "sluice_abi_v1"))
  (func (export "sluice_handle") (param i64) (result i64) (local.get 0))
)
