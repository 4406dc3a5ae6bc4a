;; Behaves like steady in its first call, and loops for ever in the second.
(module
  (import "sluice" "emit" (func $emit (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "\0a\10\0a\0e\0a\08everyone\12\02\12\00\0a\1d\22\1b\0a\05first\12\12\08\02\10\01\22\08everyone0\01@\01")
  (global $calls (mut i32) (i32.const 0))
  (func (export "sluice_abi_v1"))
  (func (export "sluice_handle") (param $len i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (i32.gt_u (global.get $calls) (i32.const 1)) (then (loop $again (br $again))))
    (call $emit (i32.const 64) (i32.const 49)))
)
