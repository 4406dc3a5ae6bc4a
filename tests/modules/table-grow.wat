;; Grows its table without end. Tables lie outside the memory of a module.
(module
  (table $t 1 funcref)
  (memory (export "memory") 1)
  (func (export "sluice_abi_v1"))
  (func (export "sluice_handle") (param $len i32) (result i32)
    (loop $again
      (drop (table.grow $t (ref.null func) (i32.const 1000000)))
      (br $again))
    (i32.const 0))
)
