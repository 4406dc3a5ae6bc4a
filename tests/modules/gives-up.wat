;; Returns 1: it cannot handle the batch. What it emitted must not take effect.
(module
  (import "sluice" "emit" (func $emit (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "\0a\10\0a\0e\0a\08everyone\12\02\12\00\0a\1e\22\1c\0a\06second\12\12\08\02\10\01\22\08everyone0\01@\01")
  (func (export "sluice_abi_v1"))
  (func (export "sluice_handle") (param $len i32) (result i32)
    (drop (call $emit (i32.const 64) (i32.const 50)))
    (i32.const 1))
)
