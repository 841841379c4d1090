;; A firmware: what a domain loads into a coprocessor. Its memory and its globals are its context: they leave
;; with it when another domain's turn comes, and are back when its own comes again.
;;
;; Build it: npx -p wabt wat2wasm firmware/sum.wat -o firmware/sum.wasm
(module
  (import "env" "memory" (memory 1))
  (global (export "abi") i32 (i32.const 1))
  ;; The command block: the operation at 4, arguments from 8, results from 64.
  (global (export "command") i32 (i32.const 0))
  (global $left (mut i32) (i32.const 0))
  (global $sum (mut i32) (i32.const 0))

  ;; 0: more to do, 1: done, negative: failed.
  (func (export "start") (result i32)
    (if (i32.ne (i32.load (i32.const 4)) (i32.const 1)) (then (return (i32.const -1))))
    (global.set $left (i32.load (i32.const 8)))
    (global.set $sum (i32.const 0))
    (i32.const 0))

  ;; Goes on for about `budget` units of work: between two steps, another domain may have the coprocessor.
  (func (export "step") (param $budget i32) (result i32)
    (loop $more
      (if (i32.eqz (global.get $left))
        (then
          (i32.store (i32.const 64) (global.get $sum))
          (return (i32.const 1))))
      (global.set $sum (i32.add (global.get $sum) (global.get $left)))
      (global.set $left (i32.sub (global.get $left) (i32.const 1)))
      (local.set $budget (i32.sub (local.get $budget) (i32.const 1)))
      (br_if $more (i32.gt_s (local.get $budget) (i32.const 0))))
    (i32.const 0)))
