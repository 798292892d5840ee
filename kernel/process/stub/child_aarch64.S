// As child_x86_64.S, for aarch64.
    .text
    .globl start
start:
    bti c
    stp x29, x30, [sp, #-64]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    mov x19, x0
    mov x8, #135                    // rt_sigprocmask(SIG_SETMASK, &full_mask, &old_mask, 8)
    mov x0, #2
    add x1, x19, #48
    add x2, x19, #40
    mov x3, #8
    svc #0
    mov x8, #435                    // clone3(clone_args, clone_args_size)
    ldr x0, [x19, #0]
    ldr x1, [x19, #8]
    svc #0
    cbz x0, child
    mov x20, x0
    mov x8, #135                    // rt_sigprocmask(SIG_SETMASK, &old_mask, NULL, 8)
    mov x0, #2
    add x1, x19, #40
    mov x2, #0
    mov x3, #8
    svc #0
    mov x0, x20
    ldp x23, x24, [sp, #48]
    ldp x21, x22, [sp, #32]
    ldp x19, x20, [sp, #16]
    ldp x29, x30, [sp], #64
    ret
child:
    ldr x20, [x19, #16]
    ldr x21, [x19, #24]
    ldr x22, [x19, #32]
next:
    mov x23, #0
    cbz x21, done
    mov x23, #127
    ldr x8, [x20, #0]
    ldr x0, [x20, #8]
    ldr x1, [x20, #16]
    ldr x2, [x20, #24]
    ldr x3, [x20, #32]
    ldr x4, [x20, #40]
    ldr x5, [x20, #48]
    svc #0
    str x0, [x22]
    ldr x9, [x20, #56]
store:
    ldr x10, [x9], #8
    cbz x10, stored
    str x0, [x10]
    b store
stored:
    ldr x9, [x20, #64]
    tbnz x0, #63, failed
    cbz x0, zero
    tbz x9, #3, proceed
    ldr x10, [x20, #48]
    cmp x0, x10
    b.ne next
    b proceed
zero:
    tbnz x9, #1, done
    lsr x9, x9, #16
    sub x21, x21, x9
    add x22, x22, x9, lsl #3
    mov x10, #72
    madd x20, x9, x10, x20
    b proceed
failed:
    tbz x9, #0, done
proceed:
    add x20, x20, #72
    add x22, x22, #8
    sub x21, x21, #1
    b next
done:
    mov x8, #94                     // exit_group
    mov x0, x23
    svc #0
    brk #0
