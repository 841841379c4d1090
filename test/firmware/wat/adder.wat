;; A firmware in another source language: sums its arguments, one per step.
;; op 1 (count, values...): results are the sum, then how many commands this context has run.
(module
  (import "env" "memory" (memory 1))
  (import "coproc" "irq" (func $irq (param i32)))
  (import "coproc" "reg_set" (func $reg_set (param i32 i32)))
  (global (export "abi") i32 (i32.const 1))
  (global (export "command") i32 (i32.const 1024))
  (global $left (mut i32) (i32.const 0))
  (global $sum (mut i64) (i64.const 0))
  (global $commands (mut f64) (f64.const 0))
  (func (export "start") (result i32)
    (if (i32.ne (i32.load (i32.const 1028)) (i32.const 1)) (then (return (i32.const -1))))
    (global.set $left (i32.load (i32.const 1032)))
    (global.set $sum (i64.const 0))
    (global.set $commands (f64.add (global.get $commands) (f64.const 1)))
    (i32.const 0))
  (func (export "step") (param $budget i32) (result i32)
    (if (i32.eqz (global.get $left))
      (then
        (i32.store (i32.const 1088) (i32.wrap_i64 (global.get $sum)))
        (i32.store (i32.const 1092) (i32.trunc_f64_s (global.get $commands)))
        (call $reg_set (i32.const 16) (i32.wrap_i64 (global.get $sum)))
        (call $irq (i32.const 5))
        (return (i32.const 1))))
    (global.set $sum
      (i64.add
        (global.get $sum)
        (i64.load32_s (i32.add (i32.const 1032) (i32.shl (global.get $left) (i32.const 2))))))
    (global.set $left (i32.sub (global.get $left) (i32.const 1)))
    (i32.const 0))
  (func (export "quiesce") (result i32) (i32.const 0)))
