// What a new process runs before it executes a program: a list of system calls.
//
// long start(struct program *program)
//
// struct program { clone_args, clone_args_size, steps, count, results, old_mask, full_mask }: 64 bits each.
// struct step { number, words[6], stores, flags }: 64 bits each; stores is the address of a list of
// addresses that ends with 0, to each of which the result is written. Flags: 1 go on after an error,
// 2 zero is an error, 8 make the call again until it fails or gives the number in words[5]. Bits 16 and
// up: how many steps to leave out when the result is zero, as it is in the new process of a clone.
//
// The parent gets clone3's result. The child never returns: it becomes another program, or exits with 0
// after the last step and with 127 after one that failed. All signals are blocked from before the
// clone on, so that no handler of the parent runs in the child.
    .text
    .globl start
start:
    endbr64
    push %rbx
    push %rbp
    push %r12
    push %r13
    mov %rdi, %rbx
    mov $14, %eax                   // rt_sigprocmask(SIG_SETMASK, &full_mask, &old_mask, 8)
    mov $2, %edi
    lea 48(%rbx), %rsi
    lea 40(%rbx), %rdx
    mov $8, %r10d
    syscall
    mov $435, %eax                  // clone3(clone_args, clone_args_size)
    mov 0(%rbx), %rdi
    mov 8(%rbx), %rsi
    syscall
    test %rax, %rax
    jz child
    mov %rax, %rbp
    mov $14, %eax                   // rt_sigprocmask(SIG_SETMASK, &old_mask, NULL, 8)
    mov $2, %edi
    lea 40(%rbx), %rsi
    xor %edx, %edx
    mov $8, %r10d
    syscall
    mov %rbp, %rax
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
child:
    mov 16(%rbx), %rbp
    mov 24(%rbx), %r12
    mov 32(%rbx), %r13
next:
    xor %ebx, %ebx
    test %r12, %r12
    jz done
    mov $127, %ebx
    mov 0(%rbp), %rax
    mov 8(%rbp), %rdi
    mov 16(%rbp), %rsi
    mov 24(%rbp), %rdx
    mov 32(%rbp), %r10
    mov 40(%rbp), %r8
    mov 48(%rbp), %r9
    syscall
    mov %rax, (%r13)
    mov 56(%rbp), %rcx
store:
    mov (%rcx), %rdx
    test %rdx, %rdx
    jz stored
    mov %rax, (%rdx)
    add $8, %rcx
    jmp store
stored:
    mov 64(%rbp), %rcx
    test %rax, %rax
    js failed
    jz zero
    test $8, %cl
    jz proceed
    cmp %rax, 48(%rbp)
    jne next
    jmp proceed
zero:
    test $2, %cl
    jnz done
    shr $16, %rcx
    sub %rcx, %r12
    lea (%r13,%rcx,8), %r13
    imul $72, %rcx, %rcx
    add %rcx, %rbp
    jmp proceed
failed:
    test $1, %cl
    jz done
proceed:
    add $72, %rbp
    add $8, %r13
    dec %r12
    jmp next
done:
    mov $231, %eax                  // exit_group
    mov %rbx, %rdi
    syscall
    hlt
