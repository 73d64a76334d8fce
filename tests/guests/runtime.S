// Start, MMU, exception vectors and context of the test guests. Every CPU comes in at _start.

.section .text.start, "ax"
.globl _start
_start:
    mrs     x19, mpidr_el1
    and     x19, x19, #0xff
    ldr     x2, =stacks_end
    sub     x2, x2, x19, lsl #15        // 32 KB a CPU
    mov     sp, x2
    adr     x2, vectors
    msr     vbar_el1, x2
    mov     x2, #3 << 20                // CPACR_EL1.FPEN: SIMD&FP registers do not trap
    msr     cpacr_el1, x2
    bl      mmu_on
    mov     x0, x19
    cbnz    x19, 1f
    bl      main
    bl      power_off
1:  bl      second_cpu
    b       .

// 39 bits of addresses in blocks of 1 GB: the devices, and RAM as Normal memory, which may be accessed unaligned.
.globl mmu_on
mmu_on:
    ldr     x2, =boot_table
    msr     ttbr0_el1, x2
    mov     x2, #0xff00                 // MAIR: 0 Device-nGnRnE, 1 Normal write-back
    msr     mair_el1, x2
    ldr     x2, =1 << 32 | 1 << 23 | 0x3519     // IPS 36 bits, EPD1, inner shareable, write-back, T0SZ 25
    msr     tcr_el1, x2
    tlbi    vmalle1
    dsb     sy
    isb
    mrs     x2, sctlr_el1
    ldr     x3, =1 << 12 | 1 << 2 | 1           // I, C, M
    orr     x2, x2, x3
    msr     sctlr_el1, x2
    isb
    ret

.section .rodata
.balign 4096
.globl boot_table
boot_table:
    .quad   0x0000000000000401 | 3 << 53        // Device: AF, XN
    .quad   0x0000000040000705                  // Normal: AF, inner shareable
    .space  510 * 8

.text
.globl power_off
power_off:
    ldr     w0, =0x84000008             // PSCI SYSTEM_OFF
    hvc     #0
    b       .

.globl psci
psci:
    hvc     #0
    ret

.weak second_cpu
second_cpu:
    wfi
    b       second_cpu

// struct context: x0-x30, SP_EL0, ELR, SPSR. The handler answers with the context to go on with.
.globl resume
.macro take vector
    sub     sp, sp, #272
    stp     x0, x1, [sp]
    mov     x1, #\vector
    b       exception_entry
    .balign 0x80
.endm

.balign 0x800
vectors:
    .irp    vector, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    take    \vector
    .endr

exception_entry:
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    mrs     x2, sp_el0
    mrs     x3, elr_el1
    mrs     x4, spsr_el1
    stp     x30, x2, [sp, #240]
    stp     x3, x4, [sp, #256]
    mov     x0, sp
    bl      exception
resume:                                 // x0: the context
    mov     sp, x0
    ldp     x30, x2, [sp, #240]
    ldp     x3, x4, [sp, #256]
    msr     sp_el0, x2
    msr     elr_el1, x3
    msr     spsr_el1, x4
    ldp     x28, x29, [sp, #224]
    ldp     x26, x27, [sp, #208]
    ldp     x24, x25, [sp, #192]
    ldp     x22, x23, [sp, #176]
    ldp     x20, x21, [sp, #160]
    ldp     x18, x19, [sp, #144]
    ldp     x16, x17, [sp, #128]
    ldp     x14, x15, [sp, #112]
    ldp     x12, x13, [sp, #96]
    ldp     x10, x11, [sp, #80]
    ldp     x8, x9, [sp, #64]
    ldp     x6, x7, [sp, #48]
    ldp     x4, x5, [sp, #32]
    ldp     x2, x3, [sp, #16]
    ldp     x0, x1, [sp]
    add     sp, sp, #272
    eret

// void save_simd(__uint128_t *to), void load_simd(const __uint128_t *from): 32 registers, FPSR, FPCR
.arch armv8-a
.globl save_simd
save_simd:
    .irp    n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28
    st1     {v\n\().2d}, [x0], #16
    .endr
    stp     q30, q31, [x0], #32
    .irp    n, 1, 5, 9, 13, 17, 21, 25, 29
    str     q\n, [x0], #16
    .endr
    .irp    n, 3, 7, 11, 15, 19, 23, 27
    stur    q\n, [x0]
    add     x0, x0, #16
    .endr
    mrs     x1, fpsr
    mrs     x2, fpcr
    stp     x1, x2, [x0]
    ret

.globl load_simd
load_simd:
    .irp    n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28
    ld1     {v\n\().2d}, [x0], #16
    .endr
    ldp     q30, q31, [x0], #32
    .irp    n, 1, 5, 9, 13, 17, 21, 25, 29
    ldr     q\n, [x0], #16
    .endr
    .irp    n, 3, 7, 11, 15, 19, 23, 27
    ldur    q\n, [x0]
    add     x0, x0, #16
    .endr
    ldp     x1, x2, [x0]
    msr     fpsr, x1
    msr     fpcr, x2
    ret

.bss
.balign 16
    .space  8 << 15
stacks_end:
