;; Asks for more memory for ever, and writes to all that it gets.
(module
  (memory (export "memory") 1)
  (func (export "sluice_abi_v1"))
  (func (export "sluice_handle") (param $len i32) (result i32)
    (local $at i32)
    (loop $again
      (drop (memory.grow (i32.const 1)))
      (local.set $at (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 4)))
      (i32.store (local.get $at) (i32.const -1))
      (br $again))
    (i32.const 0))
)
