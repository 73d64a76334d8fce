// /init of a Linux system that has nothing else: it says that it runs, and switches the machine off.
// The file is an ELF executable by what its first bytes say.

        .equ    WRITE, 64                       // numbers of Linux' system calls
        .equ    REBOOT, 142
        .equ    MAGIC1, 0xfee1dead              // reboot's arguments
        .equ    MAGIC2, 0x28121969
        .equ    POWER_OFF, 0x4321fedc

elf_header:
        .byte   0x7f
        .ascii  "ELF"
        .byte   2, 1, 1, 0                      // 64 bits, little-endian, version 1
        .quad   0
        .hword  2, 183                          // an executable, for AArch64
        .word   1
        .quad   start
        .quad   program_header - elf_header
        .quad   0                               // no sections
        .word   0
        .hword  64, 56, 1, 0, 0, 0              // sizes of the headers, one program header
program_header:
        .word   1, 5                            // to be loaded, readable and executable
        .quad   0, elf_header, elf_header
        .quad   end - elf_header, end - elf_header
        .quad   0x10000

start:
        mov     x0, #1
        adr     x1, message
        mov     x2, #end_of_message - message
        mov     x8, #WRITE
        svc     #0
        ldr     w0, =MAGIC1
        ldr     w1, =MAGIC2
        ldr     w2, =POWER_OFF
        mov     x8, #REBOOT
        svc     #0
message:
        .ascii  "init: userspace is reached\n"
end_of_message:
        .balign 4
        .ltorg
end:
